/// A key of a JSON object: its name, the values that it takes, and how they are read and written.
package struct JSONKey<Value>: Sendable {
  /// The name in the file.
  package let name: String
  /// The accepted values, in the words of messages: "a whole number from 1".
  package let expected: String
  let read: @Sendable (JSONValue) -> Value?
  let write: @Sendable (Value) -> JSONValue

  /// A key with its own kind of value. `read` returns nil for a value that is not accepted.
  package init(
    _ name: String, expected: String, read: @escaping @Sendable (JSONValue) -> Value?,
    write: @escaping @Sendable (Value) -> JSONValue
  ) {
    self.name = name
    self.expected = expected
    self.read = read
    self.write = write
  }

  /// The key with values that may also be null, which is read as nil.
  package var orNull: JSONKey<Value?> {
    JSONKey<Value?>(
      name, expected: expected + " or null", read: { $0 == .null ? .some(nil) : read($0).map { .some($0) } },
      write: { $0.map(write) ?? .null })
  }
}

extension JSONKey where Value == String {
  /// Any text.
  package static func text(_ name: String) -> JSONKey {
    JSONKey(name, expected: "text", read: \.stringValue, write: { .string($0) })
  }
}

extension JSONKey where Value == Bool {
  /// true or false.
  package static func flag(_ name: String) -> JSONKey {
    JSONKey(name, expected: "true or false", read: \.boolValue, write: { .bool($0) })
  }
}

extension JSONKey where Value == Int {
  /// Any number written as an integer.
  package static func whole(_ name: String) -> JSONKey {
    JSONKey(name, expected: "a whole number", read: \.intValue, write: { .int($0) })
  }

  /// A number written as an integer, `least` or more.
  package static func whole(_ name: String, from least: Int) -> JSONKey {
    JSONKey(
      name, expected: "a whole number from \(least)",
      read: { value in value.intValue.flatMap { $0 >= least ? $0 : nil } }, write: { .int($0) })
  }

  /// A number written as an integer, within `range`.
  package static func whole(_ name: String, in range: ClosedRange<Int>) -> JSONKey {
    JSONKey(
      name, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)",
      read: { value in value.intValue.flatMap { range.contains($0) ? $0 : nil } }, write: { .int($0) })
  }
}

extension JSONKey where Value == Double {
  /// Any number. NaN and the infinities are written as null, which is read as NaN.
  package static func real(_ name: String) -> JSONKey {
    JSONKey(
      name, expected: "a number or null", read: { $0 == .null ? .nan : $0.doubleValue },
      write: { .double($0) })
  }

  /// A number above 0 that stays above 0 and finite as a float32.
  package static func positive(_ name: String) -> JSONKey {
    JSONKey(
      name, expected: "a number above 0",
      read: { value in
        value.doubleValue.flatMap { $0 > 0 && Float($0) > 0 && Float($0).isFinite ? $0 : nil }
      }, write: { .double($0) })
  }
}

extension JSONKey where Value == [String] {
  /// A list of texts, possibly empty.
  package static func texts(_ name: String) -> JSONKey {
    JSONKey(
      name, expected: "a list of texts",
      read: { value in
        value.arrayValue.flatMap { elements in
          let texts = elements.compactMap(\.stringValue)
          return texts.count == elements.count ? texts : nil
        }
      }, write: { .array($0.map { .string($0) }) })
  }
}

extension JSONKey where Value: RawRepresentable<String> & CaseIterable & SendableMetatype {
  /// The text of one of the cases of an enum.
  package static func choice(_ name: String) -> JSONKey {
    JSONKey(
      name, expected: listText(Value.allCases.map(\.rawValue), "or"),
      read: { $0.stringValue.flatMap(Value.init(rawValue:)) }, write: { .string($0.rawValue) })
  }
}

extension JSONObject {
  /// The value under a typed key; nil when it is missing or not accepted. Setting nil removes the key.
  package subscript<Value>(key: JSONKey<Value>) -> Value? {
    get { self[key.name].flatMap(key.read) }
    set { self[key.name] = newValue.map(key.write) }
  }
}
