import Files

/// One line of a JSONL file, read as an object; every fault names `file:line`.
struct JSONLine {
  let file: String
  let number: Int
  let object: JSONObject

  /// - Throws: `Fault` .badData where the line is blank, too long, or not one JSON object.
  init(file: String, number: Int, bytes: ArraySlice<UInt8>) throws {
    self.file = file
    self.number = number
    guard bytes.count <= maximumLineLength else {
      throw Fault(
        .badData, file: file, line: number,
        "line of \(bytes.count) bytes; expected at most \(maximumLineLength)")
    }
    guard bytes.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else {
      throw Fault(.badData, file: file, line: number, "blank line; expected one JSON object a line")
    }
    let value = try JSONValue(parsing: bytes, file: file, line: number)
    guard let object = value.objectValue else {
      throw Fault(.badData, file: file, line: number, "not an object, got \(value.kindName)")
    }
    self.object = object
  }

  /// The string under `key`.
  func string(_ key: String) throws -> String {
    let value = try value(key)
    guard let text = value.stringValue else {
      throw fault("'\(key)' is \(value.kindName); expected a string")
    }
    return text
  }

  /// Whatever stands under `key`.
  func value(_ key: String) throws -> JSONValue {
    guard let value = object[key] else { throw fault("no key '\(key)'") }
    return value
  }

  func fault(_ message: String) -> Fault { Fault(.badData, file: file, line: number, message) }
}
