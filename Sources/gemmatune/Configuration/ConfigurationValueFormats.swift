extension ConfigurationFormat where Value == Int {
  /// An integer of at least `minimum`; the bound above keeps products of two of them in range.
  static func integer(atLeast minimum: Int) -> Self {
    let maximum = Int(Int32.max)
    return scalar(
      expecting: "an integer",
      { if case .integer(let value) = $0 { value } else { nil } },
      check: { value in
        value < minimum
          ? "an integer of at least \(minimum)" : value > maximum ? "an integer of at most \(maximum)" : nil
      },
      write: { .plain(String($0)) })
  }
}

extension ConfigurationFormat where Value == Int? {
  /// An integer of at least `minimum`, or null.
  static func integerOrNull(atLeast minimum: Int) -> Self {
    optional(.integer(atLeast: minimum), placeholder: minimum)
  }
}

extension ConfigurationFormat where Value == UInt64 {
  /// An integer from 0 to the largest that YAML readers agree on, 2^63 - 1.
  static var seed: Self {
    scalar(
      expecting: "an integer of at least 0",
      { if case .integer(let value) = $0 { UInt64(exactly: value) } else { nil } },
      write: { .plain(String($0)) })
  }
}

extension ConfigurationFormat where Value == Double {
  /// A finite number for which `contains` holds; `range` says which those are.
  static func number(_ range: String, _ contains: @escaping (Double) -> Bool) -> Self {
    scalar(
      expecting: "a number",
      {
        switch $0 {
        case .integer(let value): Double(value)
        case .float(let value): value
        default: nil
        }
      },
      check: { contains($0) ? nil : "a number \(range)" },
      write: { .plain(decimalText($0)) })
  }

  static var positive: Self { number("above 0") { $0 > 0 } }
  static var notNegative: Self { number("of at least 0") { $0 >= 0 } }
  static var share: Self { number("from 0 to 1") { (0...1).contains($0) } }
  static var shareBelowOne: Self { number("from 0 to below 1") { (0..<1).contains($0) } }
}

extension ConfigurationFormat where Value == Double? {
  /// A number above 0, or null.
  static var positiveOrNull: Self { optional(.positive, placeholder: 1) }
}

/// The shortest text that reads back as `value`, with a point, without which some readers take `1e-05` for a
/// string.
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
  /// A list whose elements `element` reads; `check` may narrow the whole.
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
