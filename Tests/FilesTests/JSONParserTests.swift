import Files
import Testing

/// The document in `text`, as if it came from the file `f.json`.
private func parsed(_ text: String, line: Int = 1) throws -> JSONValue {
  try JSONValue(parsing: Array(text.utf8), file: "f.json", line: line)
}

/// The parser's message about `bytes`, or "accepted".
private func message(_ bytes: [UInt8], line: Int = 1) -> String {
  do {
    _ = try JSONValue(parsing: bytes, file: "f.json", line: line)
    return "accepted"
  } catch let fault as Fault {
    return fault.kind == .badData ? fault.message : "wrong kind"
  } catch {
    return "not a fault"
  }
}

private func message(_ text: String, line: Int = 1) -> String { message(Array(text.utf8), line: line) }

@Suite struct JSONParserTests {
  @Test func everyKindOfValueIsRead() throws {
    let value = try parsed(#" {"a": [1, -2.5e3, true, false, null, "x", {}], "b": []} "#)
    #expect(value.objectValue?.keys == ["a", "b"])
    #expect(
      value.objectValue?["a"]
        == .array([
          .int(1), .number(try #require(parsed("-2.5e3").number)), .bool(true), .bool(false), .null,
          .string("x"), .object([:]),
        ]))
    #expect(value.objectValue?["b"] == .array([]))
  }

  @Test func integersAreOnlyThoseWrittenSo() throws {
    #expect(try parsed("7").intValue == 7)
    #expect(try parsed("-0").intValue == 0)
    #expect(try parsed("9223372036854775807").intValue == Int.max)
    #expect(try parsed("9223372036854775808").intValue == nil)
    #expect(try parsed("1.0").intValue == nil)
    #expect(try parsed("1e3").intValue == nil)
    #expect(try parsed("1e3").doubleValue == 1000)
  }

  @Test func escapesAndSurrogatePairsAreDecoded() throws {
    #expect(
      try parsed(#""\"\\\/\b\f\n\r\t\u0041\u00e9\uD83D\uDE00""#).stringValue
        == "\"\\/\u{8}\u{C}\n\r\tA\u{E9}\u{1F600}")
    #expect(try parsed("\"é😀\u{2028}\"").stringValue == "é😀\u{2028}")
    #expect(try parsed(#""e\u0301""#).stringValue?.unicodeScalars.count == 2)
  }

  @Test(arguments: [
    ("", "f.json:1:1: unexpected end; expected a value"),
    ("{", "f.json:1:2: unexpected end; expected a key in double quotes"),
    ("{'a': 1}", "f.json:1:2: unexpected '''; expected a key in double quotes"),
    ("{\"a\" 1}", "f.json:1:6: unexpected '1'; expected ':'"),
    ("{\"a\": 1,}", "f.json:1:9: unexpected '}'; expected a key in double quotes"),
    ("{\"a\": 1 2}", "f.json:1:9: unexpected '2'; expected ',' or '}'"),
    ("[1,]", "f.json:1:4: unexpected ']'; expected a value"),
    ("[1\n 2]", "f.json:2:2: unexpected '2'; expected ',' or ']'"),
    ("1 x", "f.json:1:3: unexpected 'x'; expected nothing after the value"),
    ("nul", "f.json:1:4: unexpected end; expected 'null'"),
    ("NaN", "f.json:1:1: unexpected 'N'; expected a value"),
    ("[Infinity]", "f.json:1:2: unexpected 'I'; expected a value"),
    ("// c", "f.json:1:1: unexpected '/'; expected a value"),
    ("01", "f.json:1:1: number with a leading zero"),
    ("-", "f.json:1:2: unexpected end; expected a digit"),
    ("+1", "f.json:1:1: unexpected '+'; expected a value"),
    ("1.", "f.json:1:3: unexpected end; expected a digit"),
    (".5", "f.json:1:1: unexpected '.'; expected a value"),
    ("1e+", "f.json:1:4: unexpected end; expected a digit"),
    ("0x10", "f.json:1:2: unexpected 'x'; expected nothing after the value"),
    ("1e999", "f.json:1:1: number \"1e999\" is out of range"),
    ("\"ab", "f.json:1:4: unexpected end; expected '\"' at the end of the string"),
    ("\"a\nb\"", "f.json:1:3: control character U+000A in a string; expected it escaped"),
    ("\"a\0b\"", "f.json:1:3: control character U+0000 in a string; expected it escaped"),
    (#""\x41""#, "f.json:1:2: bad escape sequence in a string"),
    (#""\u12G4""#, "f.json:1:6: unexpected 'G'; expected four hexadecimal digits after '\\u'"),
    (#""\uD83D""#, "f.json:1:2: lone surrogate in a string"),
    (#""\uD83Dx""#, "f.json:1:2: lone surrogate in a string"),
    (#""\uD83D\n""#, "f.json:1:2: lone surrogate in a string"),
    (#""\uD83D\u0041""#, "f.json:1:2: lone surrogate in a string"),
    (#""\uDE00""#, "f.json:1:2: lone surrogate in a string"),
    ("{\"a\": 1,\n \"a\": 2}", "f.json:2:2: duplicate key \"a\""),
    (#"{"a": 1, "\u0061": 2}"#, "f.json:1:10: duplicate key \"a\""),
    ("\u{FEFF}{}", "f.json:1:1: unexpected byte order mark"),
    ("{} \u{FEFF}", "f.json:1:4: unexpected U+FEFF; expected nothing after the value"),
    ("\u{A0}1", "f.json:1:1: unexpected U+00A0; expected a value"),
    ("[\"é\", x]", "f.json:1:7: unexpected 'x'; expected a value"),
  ])
  func badTextIsRefusedByPlace(text: String, expected: String) {
    #expect(message(text) == expected)
  }

  @Test func badUTF8IsRefusedAtItsFirstByte() {
    #expect(message([0x22, 0x61, 0xFF, 0x22]) == "f.json:1:3: bad UTF-8")
    #expect(message([0x22, 0xC3, 0x22]) == "f.json:1:2: bad UTF-8")
    // An overlong "/" and a surrogate, both forbidden in UTF-8.
    #expect(message([0x22, 0xC0, 0xAF, 0x22]) == "f.json:1:2: bad UTF-8")
    #expect(message([0x22, 0xED, 0xA0, 0x80, 0x22]) == "f.json:1:2: bad UTF-8")
    // UTF-16.
    #expect(message([0xFF, 0xFE, 0x31, 0x00]) == "f.json:1:1: bad UTF-8")
  }

  @Test func depth64IsReadAndDepth65Refused() throws {
    let deepest = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    #expect(message(deepest) == "accepted")
    #expect(message("[" + deepest + "]") == "f.json:1:65: nested too deep; expected at most 64 levels")
    #expect(
      message(String(repeating: "{\"a\":", count: 100_000))
        == "f.json:1:321: nested too deep; expected at most 64 levels")
    // Depth counts nesting, and not the number of arrays.
    #expect(message("[" + String(repeating: "[],", count: 200) + "[]]") == "accepted")
  }

  @Test func lineCountsFromTheGivenOne() {
    #expect(message("{\n]", line: 418) == "f.json:419:1: unexpected ']'; expected a key in double quotes")
  }

  @Test func keysThatOnlyLookAlikeAreTwoKeys() throws {
    let object = try #require(parsed(#"{"\u00e9": 1, "e\u0301": 2}"#).objectValue)
    #expect(object["\u{E9}"] == .int(1))
    #expect(object["e\u{301}"] == .int(2))
  }

  @Test func everyCutOfADocumentIsRefused() {
    let text = Array(#"{"a": [1.5e-3, true, null, "x\u00e9\n"], "b": {"c": false}}"#.utf8)
    for end in text.indices { #expect(message(Array(text[..<end])) != "accepted", "cut at \(end)") }
    #expect(message(text) == "accepted")
  }
}

extension JSONValue {
  fileprivate var number: JSONNumber? {
    if case .number(let number) = self { number } else { nil }
  }
}
