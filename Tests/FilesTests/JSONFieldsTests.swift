import Files
import Testing

private enum Color: String, CaseIterable { case red, green, blue }

/// The fields of an object in JSON, on line 3 of `f`.
private func fields(_ text: String) throws -> JSONFields {
  try JSONFields((number: 3, bytes: Array(text.utf8)[...]), file: "f")
}

/// The fault that `body` throws for an object in JSON.
private func message(_ text: String, _ body: (JSONFields) throws -> Void) -> String {
  do {
    try body(fields(text))
    return "accepted"
  } catch let fault as Fault where fault.kind == .badData {
    return fault.message
  } catch {
    return "not a fault of data: \(error)"
  }
}

@Suite struct JSONFieldsTests {
  @Test func valuesReadByTheirKeys() throws {
    let fields = try fields(
      #"{"t": "a", "f": true, "w": -7, "r": 1e-3, "n": null, "l": ["x", "y"], "c": "green", "o": {"w": 2}}"#)
    #expect(try fields.read(.text("t")) == "a" && fields.read(.flag("f")) && fields.read(.whole("w")) == -7)
    #expect(try fields.read(.real("r")) == 0.001 && fields.read(.real("n")).isNaN)
    #expect(try fields.read(.texts("l")) == ["x", "y"] && fields.read(JSONKey<Color>.choice("c")) == .green)
    #expect(try fields.nested("o").read(.whole("w", in: 1...2)) == 2)
    #expect(try fields.read(.positive("r")) == 0.001)
  }

  @Test func absentAndNullAreToldApartWhereThatMatters() throws {
    let fields = try fields(#"{"n": null}"#)
    #expect(try fields.optional(.whole("n")) == nil && fields.optional(.whole("absent")) == nil)
    #expect(try fields.optionalNested("n") == nil && fields.optionalNested("absent") == nil)
    #expect(try fields.read(.whole("absent"), missing: 4) == 4)
    #expect(try fields.read(JSONKey.whole("n").orNull) == nil)
    #expect(throws: Fault(.badData, "f:3: n: got null; expected a whole number")) {
      try fields.read(.whole("n"), missing: 4)
    }
    #expect(throws: Fault(.badData, "f:3: absent: missing; expected a whole number or null")) {
      try fields.read(JSONKey.whole("absent").orNull)
    }
  }

  @Test(arguments: [
    ("text", "got 1; expected text"), ("flag", "got 1; expected true or false"),
    ("from", "got 1; expected a whole number from 2"),
    ("range", "got 1; expected a whole number from 2 to 3"),
    ("texts", "got 1; expected a list of texts"), ("choice", "got 1; expected red, green or blue"),
    ("orNull", "got 1; expected text or null"), ("optional", "got 1; expected text"),
    ("nested", "got 1; expected an object"),
  ])
  func valueThatAKeyDoesNotTakeIsNamed(kind: String, expected: String) {
    let found = message(#"{"k": 1}"#) { fields in
      switch kind {
      case "text": _ = try fields.read(.text("k"))
      case "flag": _ = try fields.read(.flag("k"))
      case "from": _ = try fields.read(.whole("k", from: 2))
      case "range": _ = try fields.read(.whole("k", in: 2...3))
      case "texts": _ = try fields.read(.texts("k"))
      case "choice": _ = try fields.read(JSONKey<Color>.choice("k"))
      case "orNull": _ = try fields.read(JSONKey.text("k").orNull)
      case "optional": _ = try fields.optional(.text("k"))
      default: _ = try fields.nested("k")
      }
    }
    #expect(found == "f:3: k: \(expected)")
  }

  @Test func numbersBeyondFloat32AreNotPositive() {
    for number in ["0", "-1", "1e-60", "1e60", "\"1\""] {
      let found = message("{\"k\": \(number)}") { _ = try $0.read(.positive("k")) }
      #expect(found == "f:3: k: got \(number); expected a number above 0")
    }
  }

  @Test func pathOfAKeyIsNamed() throws {
    let found = message(#"{"a": {"b": {}}}"#) { _ = try $0.nested("a").nested("b").read(.text("c")) }
    #expect(found == "f:3: a.b.c: missing; expected text")
    let tensor = try JSONFields(.object(["dtype": .int(4)]), file: "f", place: "model.norm")
    #expect(throws: Fault(.badData, "f: model.norm: dtype: got 4; expected text")) {
      try tensor.read(.text("dtype"))
    }
  }

  @Test(arguments: [
    ("", "f:3: blank line; expected one JSON object a line"),
    (" \t\r", "f:3: blank line; expected one JSON object a line"),
    ("[1]", "f:3: got [1]; expected an object"),
    ("{", "f:3:2: unexpected end; expected a key in double quotes"),
  ])
  func lineThatIsNoObjectIsNamed(text: String, expected: String) {
    #expect(message(text) { _ in } == expected)
  }

  @Test func longLineIsRefused() {
    #expect(throws: Fault(.badData, "f:1: line of 5 bytes; expected at most 4")) {
      try JSONFields((number: 1, bytes: Array("{   }".utf8)[...]), file: "f", limit: 4)
    }
  }

  @Test func longValueIsCut() {
    let text = String(repeating: "x", count: 100)
    let found = message("{\"k\": \"\(text)\"}") { _ = try $0.read(.whole("k")) }
    #expect(found == "f:3: k: got \"\(text.prefix(59))…; expected a whole number")
  }

  @Test func fileOfLinesIsRead() throws {
    try withFolder { folder in
      try writeAtomically("{\"a\": 1}\n{\"a\": 2}\n[]\n", to: folder + "/f")
      #expect(throws: Fault(.badData, "\(folder)/f:3: got []; expected an object")) {
        try JSONFields.lines(of: folder + "/f", limit: 100)
      }
      try writeAtomically("{\"a\": 1}\n{\"a\": 2}\n", to: folder + "/f")
      let values = try JSONFields.lines(of: folder + "/f", limit: 100).map { try $0.read(.whole("a")) }
      #expect(values == [1, 2])
    }
  }

  @Test func objectTakesValuesByTypedKeys() {
    var object = JSONObject()
    object[JSONKey.whole("w")] = 3
    object[JSONKey.real("r")] = .infinity
    object[JSONKey.text("n").orNull] = .some(nil)
    object[JSONKey<Color>.choice("c")] = .blue
    #expect(JSONValue.object(object).text() == #"{"w":3,"r":null,"n":null,"c":"blue"}"#)
    #expect(object[JSONKey.whole("w")] == 3 && object[JSONKey.whole("c")] == nil)
    object[JSONKey.whole("w")] = nil
    #expect(object.keys == ["r", "n", "c"])
  }
}
