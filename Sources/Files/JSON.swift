/// A JSON document in memory. Objects keep the order of their members and numbers keep their text.
package indirect enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

/// A number as the file spells it, so that 1, 1.0 and 1e0 stay apart and no digit is lost.
package struct JSONNumber: Equatable, Sendable {
  /// The number in JSON's grammar.
  package let text: String

  /// A number whose text is already known to follow JSON's grammar and to be finite.
  init(checked text: String) {
    self.text = text
  }

  /// A whole number.
  package init(_ value: Int) {
    self.text = String(value)
  }

  /// The shortest decimal that reads back as `value`; nil for NaN and the infinities, which JSON lacks.
  package init?(_ value: Double) {
    guard value.isFinite else { return nil }
    self.text = value.description
  }

  /// The value, if it is written without fraction and exponent and fits in Int.
  package var int: Int? { Int(text) }

  /// The nearest double.
  package var double: Double { Double(text) ?? .nan }
}

/// The members of a JSON object in file order, each key once.
package struct JSONObject: Sendable {
  /// Key and value in order.
  package private(set) var members: [(key: String, value: JSONValue)] = []
  private var places: [ExactKey: Int] = [:]

  /// An object with no members.
  package init() {}

  /// An object with these members. A key that is given twice keeps its first place and its last value.
  package init(_ pairs: KeyValuePairs<String, JSONValue>) {
    for (key, value) in pairs { self[key] = value }
  }

  /// The value under `key`; nil when there is none. Setting a new key appends it, and setting nil removes it.
  package subscript(key: String) -> JSONValue? {
    get { places[ExactKey(text: key)].map { members[$0].value } }
    set {
      let place = places[ExactKey(text: key)]
      switch (place, newValue) {
      case (let place?, let value?): members[place].value = value
      case (nil, let value?):
        places[ExactKey(text: key)] = members.count
        members.append((key, value))
      case (let place?, nil): remove(at: place)
      case (nil, nil): break
      }
    }
  }

  /// The keys in order.
  package var keys: [String] { members.map(\.key) }

  private mutating func remove(at place: Int) {
    members.remove(at: place)
    places = [:]
    for (index, member) in members.enumerated() { places[ExactKey(text: member.key)] = index }
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// An object written as a literal.
  package init(dictionaryLiteral pairs: (String, JSONValue)...) {
    for (key, value) in pairs { self[key] = value }
  }
}

extension JSONObject: Equatable {
  /// Whether the members are equal, and in equal order.
  package static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.members.elementsEqual(right.members) { $0.key == $1.key && $0.value == $1.value }
  }
}

/// A key compared byte by byte. String's own equality would take "é" and "e" + U+0301 for one key.
private struct ExactKey: Hashable {
  let text: String

  static func == (left: ExactKey, right: ExactKey) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
  }
}

extension JSONValue {
  /// A whole number.
  package static func int(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }

  /// A number; null for NaN and the infinities.
  package static func double(_ value: Double) -> JSONValue { JSONNumber(value).map { .number($0) } ?? .null }

  /// The text of a string; nil for any other value.
  package var stringValue: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The value of a number written as an integer within Int; nil for any other value (1.0 and 1e3 included).
  package var intValue: Int? {
    if case .number(let number) = self { number.int } else { nil }
  }

  /// The value of any number; nil for any other value.
  package var doubleValue: Double? {
    if case .number(let number) = self { number.double } else { nil }
  }

  /// true or false; nil for any other value.
  package var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The elements of an array; nil for any other value.
  package var arrayValue: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The members of an object; nil for any other value.
  package var objectValue: JSONObject? {
    if case .object(let object) = self { object } else { nil }
  }

  /// The kind of value, in the words of messages: "a string", "null".
  package var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}
