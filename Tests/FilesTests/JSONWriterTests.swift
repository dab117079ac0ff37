import Files
import Testing

@Suite struct JSONWriterTests {
  private let sample: JSONValue = .object([
    "name": .string("a\"b\\c\n\u{1}é\u{2028}"), "list": .array([.int(-3), .double(0.1), .null, .bool(true)]),
    "empty": .array([]), "none": .object([:]),
  ])

  @Test func compactTextIsOneLineInOrder() {
    #expect(
      sample.text()
        == #"{"name":"a\"b\\c\n\u0001é\#u{2028}","list":[-3,0.1,null,true],"empty":[],"none":{}}"#)
  }

  @Test func indentedTextHasOneMemberALine() {
    let value: JSONValue = .object(["a": .array([.int(1), .int(2)]), "b": .object([:])])
    #expect(value.text(indent: 2) == "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}")
  }

  @Test func writtenTextReadsBackEqual() throws {
    for indent in [nil, 2] {
      let text = sample.text(indent: indent)
      #expect(try JSONValue(parsing: Array(text.utf8), file: "f") == sample)
    }
  }

  @Test func doublesKeepEveryBit() throws {
    for value: Double in [
      0.1, 1e-7, .leastNonzeroMagnitude, 1.7976931348623157e308, 1.0 / 3, -0.0, 1e16, 123456789.125,
    ] {
      let text = JSONValue.double(value).text()
      let back = try JSONValue(parsing: Array(text.utf8), file: "f").doubleValue
      #expect(back?.bitPattern == value.bitPattern, "\(text)")
    }
  }

  @Test func nanAndInfinitiesBecomeNull() {
    #expect(JSONValue.double(.nan) == .null)
    #expect(JSONValue.double(-.infinity) == .null)
  }

  @Test func everyControlCharacterIsEscaped() throws {
    let text = String(String.UnicodeScalarView((0..<32).compactMap { Unicode.Scalar($0) }))
    let written = JSONValue.string(text).text()
    #expect(written.utf8.allSatisfy { $0 >= 0x20 })
    #expect(try JSONValue(parsing: Array(written.utf8), file: "f").stringValue == text)
  }

  @Test func settingAndRemovingMembersKeepsOrder() {
    var object: JSONObject = ["a": .int(1), "b": .int(2), "c": .int(3)]
    object["b"] = .int(20)
    object["a"] = nil
    object["d"] = .int(4)
    #expect(object == ["b": .int(20), "c": .int(3), "d": .int(4)])
    #expect(object["c"] == .int(3))
  }
}
