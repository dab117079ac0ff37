import YAML

extension YAMLScalar {
  /// The integer of this scalar, also where it is written `3.0` or `1e2`. One too large for any key becomes
  /// the nearest `Int`.
  var wholeNumber: Int? {
    switch self {
    case .integer(let value): value
    case .unsigned: .max
    case .float(let value) where value.rounded() == value: Int(exactly: value) ?? (value < 0 ? .min : .max)
    default: nil
    }
  }

  /// The number of this scalar.
  var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .unsigned(let value): Double(value)
    case .float(let value): value
    default: nil
    }
  }
}

extension ConfigurationFormat where Value == Int {
  /// An integer from `minimum` to `maximum`. The default bound keeps products of two of them in range.
  static func integer(atLeast minimum: Int, atMost maximum: Int = Int(Int32.max)) -> Self {
    return scalar(
      expecting: "an integer",
      \.wholeNumber,
      check: { value in
        value < minimum
          ? "an integer of at least \(minimum)" : value > maximum ? "an integer of at most \(maximum)" : nil
      },
      write: { .plain(String($0)) })
  }
}

extension ConfigurationFormat where Value == Int? {
  /// An integer from `minimum` to `maximum`, or null.
  static func integerOrNull(atLeast minimum: Int, atMost maximum: Int = Int(Int32.max)) -> Self {
    optional(.integer(atLeast: minimum, atMost: maximum), placeholder: minimum)
  }
}

extension ConfigurationFormat where Value == UInt64 {
  /// An unsigned 64-bit integer.
  static var seed: Self {
    scalar(
      expecting: "an integer from 0 to \(UInt64.max)",
      {
        switch $0 {
        case .integer(let value): UInt64(exactly: value)
        case .unsigned(let value): value
        // From 2^53 on, a number with a point may have been rounded to another integer.
        case .float(let value) where value < 0x1p53: UInt64(exactly: value)
        default: nil
        }
      },
      write: { .plain(String($0)) })
  }
}

extension ConfigurationFormat where Value == Double {
  /// A finite number for which `contains` holds. `range` describes those numbers in words.
  static func number(_ range: String, _ contains: @escaping (Double) -> Bool) -> Self {
    number { contains($0) ? nil : "a number \(range)" }
  }

  /// A number above 0 that gradients can be scaled down to. Their common factor has 32 bits.
  static var norm: Self {
    number { value in
      if value <= 0 { return "a number above 0" }
      return value < Double(Float.leastNormalMagnitude) ? smallestFloat : nil
    }
  }

  private static var smallestFloat: String {
    "a number of at least \(Float.leastNormalMagnitude), the smallest 32-bit float of full precision"
  }

  /// A number for which `contains` holds, also after rounding to the 32 bits that it is computed with.
  static func float(_ range: String, _ contains: @escaping (Double) -> Bool) -> Self {
    number { value in
      let float = Float(value)
      if !contains(value) { return "a number \(range)" }
      if !float.isFinite {
        return "a number of at most \(Float.greatestFiniteMagnitude), the largest 32-bit float"
      }
      if value != 0, !float.isNormal {
        return contains(0) ? "0 or \(smallestFloat)" : smallestFloat
      }
      return contains(Double(float)) ? nil : "a number \(range), also as a 32-bit float"
    }
  }

  private static func number(check: @escaping (Double) -> String?) -> Self {
    scalar(expecting: "a number", \.number, check: check, write: { .plain(decimalText($0)) })
  }

  static var positive: Self { number("above 0") { $0 > 0 } }
  static var share: Self { number("from 0 to 1") { (0...1).contains($0) } }
  static var positiveFloat: Self { float("above 0") { $0 > 0 } }
  static var notNegativeFloat: Self { float("of at least 0") { $0 >= 0 } }
  static var floatShareBelowOne: Self { float("from 0 to below 1") { (0..<1).contains($0) } }

  /// A number of epochs above 0, with the upper bound of integers. A whole number is written without a point.
  static var epochs: Self {
    scalar(
      expecting: "a number", \.number,
      check: { value in
        value <= 0
          ? "a number above 0" : value > Double(Int32.max) ? "a number of at most \(Int32.max)" : nil
      },
      write: { .plain(Int(exactly: $0).map { String($0) } ?? decimalText($0)) })
  }
}

extension ConfigurationFormat where Value == Double? {
  /// A number above 0, or null.
  static var positiveOrNull: Self { optional(.positive, placeholder: 1) }
  /// A norm that gradients are scaled down to, or null.
  static var normOrNull: Self { optional(.norm, placeholder: 1) }
}

/// The shortest text that reads back as `value`. It has a point: some readers take `1e-05` for a string.
private func decimalText(_ value: Double) -> String {
  let text = value.description
  guard let exponent = text.firstIndex(of: "e"), !text.contains(".") else { return text }
  return "\(text[..<exponent]).0\(text[exponent...])"
}

extension ConfigurationFormat where Value == Bool {
  static var boolean: Self {
    scalar(
      expecting: "true or false",
      { if case .boolean(let value) = $0 { value } else { nil } },
      write: { .plain(String($0)) })
  }
}

extension ConfigurationFormat where Value == RunConfiguration.TrainSection.GradientCheckpointing {
  static var gradientCheckpointing: Self {
    scalar(
      expecting: "true, false or auto",
      {
        switch $0 {
        case .boolean(let value): Value(booleanLiteral: value)
        case .string("auto"): .auto
        default: nil
        }
      },
      write: { .plain($0 == .auto ? "auto" : String($0 == .always)) })
  }
}

extension ConfigurationFormat where Value == String {
  /// A string that is not empty.
  static var string: Self { string { $0.isEmpty ? "a string that is not empty" : nil } }

  /// A name that can be a file name.
  static var fileName: Self {
    string { name in
      let isPathComponent =
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/"))
      return isPathComponent ? nil : "a name without '/'"
    }
  }

  private static func string(check: @escaping (String) -> String?) -> Self {
    scalar(
      expecting: "a string",
      { if case .string(let value) = $0 { value } else { nil } },
      check: check, write: { .string($0) }
    ).uncut
  }
}

extension ConfigurationFormat where Value == String? {
  /// A string that is not empty, or null.
  static var stringOrNull: Self { optional(.string, placeholder: "").uncut }
}

extension ConfigurationFormat
where Value: CaseIterable & RawRepresentable & Sendable, Value.RawValue == String {
  /// One of the cases' raw values.
  static func choice() -> Self {
    let expected = alternatives(Value.allCases.map(\.rawValue))
    return Self(
      read: { node, path, value, problems in
        if node.content == .unresolved { return }
        guard case .string(let text) = node.scalar, let found = Value(rawValue: text) else {
          problems.add(node.origin, path, "expected \(expected), got \(node.shown)")
          return
        }
        value = found
      },
      write: { .string($0.rawValue) })
  }
}

extension ConfigurationFormat {
  /// A list whose elements `element` reads. `check` may restrict the whole list.
  static func list<Element>(
    of element: ConfigurationFormat<Element>, placeholder: Element,
    check: @escaping ([Element]) -> String? = { _ in nil }
  ) -> ConfigurationFormat<[Element]> where Value == [Element] {
    ConfigurationFormat<[Element]>(
      read: { node, path, value, problems in
        if node.content == .unresolved { return }
        guard case .sequence(let nodes) = node.content else {
          problems.add(node.origin, path, "expected a list, got \(node.shown)")
          return
        }
        if nodes.contains(where: { $0.content == .unresolved }) { return }
        var elements = Array(repeating: placeholder, count: nodes.count)
        var own = ConfigurationProblems(mainFile: problems.mainFile)
        for (place, inner) in nodes.enumerated() {
          element.read(inner, "\(path)[\(place)]", &elements[place], &own)
        }
        if own.isEmpty, let problem = check(elements) { own.add(node.origin, path, problem) }
        if own.isEmpty { value = elements }
        problems.append(own)
      },
      write: { YAMLNode(.sequence($0.map(element.write))) })
  }
}
