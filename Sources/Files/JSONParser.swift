extension JSONValue {
  /// The deepest nesting of arrays and objects that is read.
  package static let maximumDepth = 64

  /// The document in `bytes`, by the grammar of RFC 8259 but stricter: a repeated key, a lone surrogate, a
  /// number beyond Double, a byte order mark and nesting deeper than 64 are refused too.
  /// - Throws: `Fault` .badData, `file:line:column: ...`. `line` is the number of the first line of `bytes`
  ///   in `file`; columns count characters (Unicode scalars) from 1.
  package init(parsing bytes: UnsafeRawBufferPointer, file: String, line: Int = 1) throws {
    var parser = JSONParser(bytes: bytes, file: file, firstLine: line)
    self = try parser.document()
  }

  /// The document in the bytes of an array, slice or other collection.
  package init(parsing bytes: some Collection<UInt8>, file: String, line: Int = 1) throws {
    let parsed = try bytes.withContiguousStorageIfAvailable {
      try JSONValue(parsing: UnsafeRawBufferPointer($0), file: file, line: line)
    }
    self = try parsed ?? JSONValue(parsing: Array(bytes), file: file, line: line)
  }
}

/// A parser by recursive descent over bytes. Every read is checked against the end.
private struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  let file: String
  let firstLine: Int
  var position = 0
  var depth = 0

  mutating func document() throws -> JSONValue {
    if let bad = firstInvalidUTF8(in: bytes) { throw fault("bad UTF-8", at: bad) }
    if bytes.starts(with: byteOrderMark) { throw fault("unexpected byte order mark", at: 0) }
    let value = try value()
    skipBlanks()
    if position < bytes.count { throw unexpected(expected: "nothing after the value") }
    return value
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipBlanks() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func value() throws -> JSONValue {
    skipBlanks()
    switch next {
    case UInt8(ascii: "{"): return try nested { try $0.object() }
    case UInt8(ascii: "["): return try nested { try $0.array() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case let byte? where byte == UInt8(ascii: "-") || isDigit(byte): return .number(try number())
    default: throw unexpected(expected: "a value")
    }
  }

  private mutating func nested(_ body: (inout JSONParser) throws -> JSONValue) throws -> JSONValue {
    depth += 1
    guard depth <= JSONValue.maximumDepth else {
      throw fault("nested too deep; expected at most \(JSONValue.maximumDepth) levels", at: position)
    }
    position += 1
    let value = try body(&self)
    depth -= 1
    return value
  }

  private mutating func literal(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
    for offset in 0..<word.utf8CodeUnitCount {
      guard next == word.utf8Start[offset] else { throw unexpected(expected: "'\(word)'") }
      position += 1
    }
    return value
  }

  private mutating func object() throws -> JSONValue {
    var object = JSONObject()
    skipBlanks()
    if take(UInt8(ascii: "}")) { return .object(object) }
    while true {
      skipBlanks()
      let start = position
      guard next == UInt8(ascii: "\"") else { throw unexpected(expected: "a key in double quotes") }
      let key = try string()
      guard object[key] == nil else { throw fault("duplicate key \(quoted(key))", at: start) }
      skipBlanks()
      guard take(UInt8(ascii: ":")) else { throw unexpected(expected: "':'") }
      object[key] = try value()
      skipBlanks()
      if take(UInt8(ascii: "}")) { return .object(object) }
      guard take(UInt8(ascii: ",")) else { throw unexpected(expected: "',' or '}'") }
    }
  }

  private mutating func array() throws -> JSONValue {
    var elements: [JSONValue] = []
    skipBlanks()
    if take(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      elements.append(try value())
      skipBlanks()
      if take(UInt8(ascii: "]")) { return .array(elements) }
      guard take(UInt8(ascii: ",")) else { throw unexpected(expected: "',' or ']'") }
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }
}

// MARK: Numbers

extension JSONParser {
  private mutating func number() throws -> JSONNumber {
    let start = position
    _ = take(UInt8(ascii: "-"))
    if take(UInt8(ascii: "0")) {
      if let byte = next, isDigit(byte) { throw fault("number with a leading zero", at: start) }
    } else {
      try digits()
    }
    if take(UInt8(ascii: ".")) { try digits() }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try digits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let value = Double(text), value.isFinite else {
      throw fault("number \(quoted(text)) is out of range", at: start)
    }
    return JSONNumber(checked: text)
  }

  private mutating func digits() throws {
    guard let first = next, isDigit(first) else { throw unexpected(expected: "a digit") }
    while let byte = next, isDigit(byte) { position += 1 }
  }

  private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}

// MARK: Strings

extension JSONParser {
  private mutating func string() throws -> String {
    position += 1
    var text = ""
    var start = position
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        // The whole document was checked as UTF-8 and the pieces end at ASCII, so no character is replaced
        // here.
        text += String(decoding: bytes[start..<position], as: UTF8.self)
        position += 1
        return text
      case UInt8(ascii: "\\"):
        text += String(decoding: bytes[start..<position], as: UTF8.self)
        text.unicodeScalars.append(try escape())
        start = position
      case 0..<0x20:
        let name = describe(Unicode.Scalar(byte))
        throw fault("control character \(name) in a string; expected it escaped", at: position)
      default: position += 1
      }
    }
    throw unexpected(expected: "'\"' at the end of the string")
  }

  private mutating func escape() throws -> Unicode.Scalar {
    let start = position
    position += 1
    guard let letter = next else { throw unexpected(expected: "an escape sequence") }
    if letter == UInt8(ascii: "u") { return try unicodeEscape(from: start) }
    guard let scalar = simpleEscapes[letter] else {
      throw fault("bad escape sequence in a string", at: start)
    }
    position += 1
    return scalar
  }

  private mutating func unicodeEscape(from start: Int) throws -> Unicode.Scalar {
    let unit = try hexUnit()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    let isHigh = unit < 0xDC00
    guard isHigh, next == UInt8(ascii: "\\") else { throw fault("lone surrogate in a string", at: start) }
    position += 1
    guard next == UInt8(ascii: "u") else { throw fault("lone surrogate in a string", at: start) }
    let low = try hexUnit()
    guard (0xDC00...0xDFFF).contains(low) else { throw fault("lone surrogate in a string", at: start) }
    let value = 0x10000 + (UInt32(unit - 0xD800) << 10) + UInt32(low - 0xDC00)
    guard let scalar = Unicode.Scalar(value) else { throw fault("lone surrogate in a string", at: start) }
    return scalar
  }

  /// The four hexadecimal digits after the `u` at `position`.
  private mutating func hexUnit() throws -> UInt16 {
    position += 1
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw unexpected(expected: "four hexadecimal digits after '\\u'")
      }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }
}

private let simpleEscapes: [UInt8: Unicode.Scalar] = [
  UInt8(ascii: "\""): "\"", UInt8(ascii: "\\"): "\\", UInt8(ascii: "/"): "/",
  UInt8(ascii: "b"): "\u{8}", UInt8(ascii: "f"): "\u{C}", UInt8(ascii: "n"): "\n",
  UInt8(ascii: "r"): "\r", UInt8(ascii: "t"): "\t",
]

// MARK: Faults

extension JSONParser {
  private func unexpected(expected: String) -> Fault {
    guard position < bytes.count else { return fault("unexpected end; expected \(expected)", at: position) }
    let rest = bytes[position..<min(position + 4, bytes.count)]
    let scalar = String(decoding: rest, as: UTF8.self).unicodeScalars.first ?? " "
    return fault("unexpected \(describe(scalar)); expected \(expected)", at: position)
  }

  private func fault(_ message: String, at place: Int) -> Fault {
    let before = bytes[..<place]
    let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    let line = firstLine + before.count { $0 == 0x0A }
    let column = 1 + bytes[lineStart..<place].count { $0 & 0xC0 != 0x80 }
    return Fault(.badData, file: file, line: line, column: column, message)
  }
}
