/// The members of a JSON object in a file, read by their keys.
///
/// Every fault has one form: `FILE[:LINE]: KEY: missing; expected WHAT`, or `FILE[:LINE]: KEY: got VALUE;
/// expected WHAT`. The key of an object inside another is its path: `settings.evaluation.limit`.
package struct JSONFields: Sendable {
  /// The members.
  package var object: JSONObject
  /// The file, as messages name it.
  package let file: String
  /// The line in the file, from 1; nil when the object is the whole file.
  package let line: Int?
  /// Prefix of keys in messages: the path of this object inside the file.
  private let prefix: String

  /// The members of an object.
  /// - Parameters:
  ///   - place: what the object is in the file, for messages, such as the name of a tensor.
  ///   - expected: what the object should be, for the fault when the value is not an object.
  /// - Throws: `Fault` .badData when `value` is not an object.
  package init(
    _ value: JSONValue, file: String, line: Int? = nil, place: String? = nil, expected: String = "an object"
  ) throws {
    guard let object = value.objectValue else {
      let problem = "got \(excerpt(value)); expected \(expected)"
      throw Fault(.badData, file: Self.place(file, line), place: place, problem)
    }
    self.init(object, file, line, prefix: place.map { $0 + ": " } ?? "")
  }

  /// The object that fills a file of at most `limit` bytes.
  /// - Throws: `Fault` .missing without the file, .badData when it is not an object.
  package init(contentsOf file: String, limit: Int, expected: String = "an object") throws {
    let value = try JSONValue(parsing: readFile(file, limit: limit), file: file)
    try self.init(value, file: file, expected: expected)
  }

  /// The object on one line of a JSONL file.
  /// - Throws: `Fault` .badData when the line is blank, longer than `limit` bytes, or not one object.
  package init(_ line: (number: Int, bytes: ArraySlice<UInt8>), file: String, limit: Int = .max) throws {
    guard line.bytes.count <= limit else {
      let problem = "line of \(line.bytes.count) bytes; expected at most \(limit)"
      throw Fault(.badData, file: file, line: line.number, problem)
    }
    guard line.bytes.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else {
      throw Fault(.badData, file: file, line: line.number, "blank line; expected one JSON object a line")
    }
    try self.init(
      JSONValue(parsing: line.bytes, file: file, line: line.number), file: file, line: line.number)
  }

  /// The objects of a JSONL file of at most `limit` bytes, one for each line.
  /// - Throws: `Fault` .missing without the file, .badData naming the line.
  package static func lines(of file: String, limit: Int) throws -> [JSONFields] {
    try Files.lines(of: readFile(file, limit: limit)).map { try JSONFields($0, file: file) }
  }

  private init(_ object: JSONObject, _ file: String, _ line: Int?, prefix: String) {
    self.object = object
    self.file = file
    self.line = line
    self.prefix = prefix
  }
}

extension JSONFields {
  /// The value of a key that must be present, or `missing` if that is given and the key is not. A null is a
  /// value.
  /// - Throws: `Fault` .badData when the key is missing or does not take the value.
  package func read<Value>(_ key: JSONKey<Value>, missing: Value? = nil) throws -> Value {
    guard let value = object[key.name] else {
      guard let missing else { throw fault(key.name, "missing; expected \(key.expected)") }
      return missing
    }
    guard let read = key.read(value) else { throw fault(key.name, got: value, expected: key.expected) }
    return read
  }

  /// The value of a key that may be missing or null; nil in both cases.
  /// - Throws: `Fault` .badData when the key does not take the value.
  package func optional<Value>(_ key: JSONKey<Value>) throws -> Value? {
    value(key.name) == nil ? nil : try read(key)
  }

  /// The members of an object inside this one, which must be present.
  /// - Throws: `Fault` .badData when it is missing or not an object.
  package func nested(_ name: String, expected: String = "an object") throws -> JSONFields {
    guard let value = object[name] else { throw fault(name, "missing; expected \(expected)") }
    guard let object = value.objectValue else { throw fault(name, got: value, expected: expected) }
    return nested(name, object)
  }

  /// The members of an object inside this one; nil when it is missing or null.
  /// - Throws: `Fault` .badData when it is not an object.
  package func optionalNested(_ name: String) throws -> JSONFields? {
    value(name) == nil ? nil : try nested(name)
  }

  /// The fields of `object` as if it were the value of `name` in this object.
  package func nested(_ name: String, _ object: JSONObject) -> JSONFields {
    JSONFields(object, file, line, prefix: prefix + name + ".")
  }

  /// The value under `name`; nil when absent or null.
  package func value(_ name: String) -> JSONValue? {
    guard let value = object[name], value != .null else { return nil }
    return value
  }

  /// A fault of this object.
  package func fault(_ problem: String) -> Fault {
    Fault(.badData, file: Self.place(file, line), problem)
  }

  /// A fault of the value under `name`.
  package func fault(_ name: String, _ problem: String) -> Fault {
    Fault(.badData, file: Self.place(file, line), place: prefix + name, problem)
  }

  /// A fault of the value under `name`. `problem` says what `expected` does not, such as "not supported".
  package func fault(
    _ name: String, _ problem: String? = nil, got value: JSONValue, expected: String
  ) -> Fault {
    let problem = problem.map { $0 + ", " } ?? ""
    return fault(name, problem + "got \(excerpt(value)); expected \(expected)")
  }

  private static func place(_ file: String, _ line: Int?) -> String { line.map { "\(file):\($0)" } ?? file }
}
