import Files
import GSM8K
import Testing

/// A line that loads.
private let good = #"{"question": "One and one?", "answer": "1+1=<<1+1=2>>2\n#### 2"}"#

/// The message of loading `content` as test.jsonl.
private func refusal(_ content: [UInt8], limit: Int? = nil) throws -> String {
  try withFolder { folder in
    try writeAtomically(content, to: folder + "/test.jsonl")
    return message(folder) {
      _ = try loadProblems(folder: folder, split: "test", variant: .main, limit: limit)
    }
  }
}

private func refusal(_ content: String, limit: Int? = nil) throws -> String {
  try refusal(Array(content.utf8), limit: limit)
}

/// A line with this answer, which must need no escapes.
private func line(answer: String) -> String { #"{"question": "q", "answer": "\#(answer)"}"# }

@Suite struct ProblemLoaderTests {
  @Test func splitAndVariantNameTheFile() throws {
    try withFolder { folder in
      for (name, question) in [
        ("train", "a"), ("test", "b"), ("train_socratic", "c"), ("test_socratic", "d"), ("dev", "e"),
      ] {
        try writeAtomically(
          "{\"question\": \"\(question)\", \"answer\": \"#### 1\"}", to: "\(folder)/\(name).jsonl")
      }
      func question(_ split: String, _ variant: Variant) throws -> String? {
        try loadProblems(folder: folder, split: split, variant: variant).first?.question
      }
      #expect(try question("train", .main) == "a")
      #expect(try question("test", .main) == "b")
      #expect(try question("train", .socratic) == "c")
      #expect(try question("test", .socratic) == "d")
      #expect(try question("dev", .main) == "e")
    }
  }

  @Test func problemsKeepTextAndOrder() throws {
    try withFolder { folder in
      let second = #"{"answer": "a\u2028b é\n#### -2,125", "question": " q ", "other": 1}"#
      try writeAtomically(good + "\n" + second, to: folder + "/p.jsonl")
      let problems = try loadProblems(file: folder + "/p.jsonl")
      #expect(
        problems == [
          Problem(id: 0, question: "One and one?", answer: "1+1=<<1+1=2>>2\n#### 2"),
          Problem(id: 1, question: " q ", answer: "a\u{2028}b é\n#### -2,125"),
        ])
      #expect(problems.map { openAIAnswer(in: $0.answer) } == ["2", "-2125"])
    }
  }

  @Test func byteOrderMarkAndCarriageReturnsLoadAsTheCleanFile() throws {
    try withFolder { folder in
      try writeAtomically("\(good)\n\(good)\n", to: folder + "/clean.jsonl")
      try writeAtomically("\u{FEFF}\(good)\r\n\(good)\r\n", to: folder + "/dos.jsonl")
      #expect(try loadProblems(file: folder + "/dos.jsonl") == loadProblems(file: folder + "/clean.jsonl"))
    }
  }

  @Test func limitTakesTheFirstAndMayExceedTheCount() throws {
    try withFolder { folder in
      try writeAtomically("\(good)\n\(good)\n\(good)", to: folder + "/p.jsonl")
      #expect(try loadProblems(file: folder + "/p.jsonl", limit: 2).map(\.id) == [0, 1])
      #expect(try loadProblems(file: folder + "/p.jsonl", limit: 9).count == 3)
    }
  }

  @Test func missingFileHintsAtTheScript() throws {
    #expect(
      throws: Fault(
        .missing, "/nowhere/test_socratic.jsonl: no such file",
        hint: "scripts/fetch_gsm8k.sh fetches GSM8K into data/gsm8k.")
    ) { try loadProblems(folder: "/nowhere", split: "test", variant: .socratic) }
  }

  @Test(arguments: ["", "../test", "a/b", "a\0"]) func splitThatIsNoPlainNameIsRefused(split: String) {
    #expect(
      throws: Fault(
        .configuration, "split \(quoted(split)): not a plain name; expected one like train or test")
    ) { try loadProblems(folder: "/nowhere", split: split, variant: .main) }
  }

  @Test(arguments: [
    ("", "test.jsonl: no examples"),
    ("\u{FEFF}", "test.jsonl: no examples"),
    ("[1]", "test.jsonl:2: got [1]; expected an object"),
    (#"{"question": "q"}"#, "test.jsonl:2: answer: missing; expected text"),
    (#"{"answer": "q"}"#, "test.jsonl:2: question: missing; expected text"),
    (#"{"question": 3, "answer": "a"}"#, "test.jsonl:2: question: got 3; expected text"),
    (#"{"question": "q", "answer": null}"#, "test.jsonl:2: answer: got null; expected text"),
    (#"{"question": "q", "answer": "a", "answer": "b"}"#, "test.jsonl:2:34: duplicate key \"answer\""),
    (#"{"question": "q""#, "test.jsonl:2:17: unexpected end; expected ',' or '}'"),
    (#"{"question": "a\u0000b", "answer": "a"}"#, "test.jsonl:2: NUL character in 'question'"),
    (#"{"question": "q", "answer": "a\u0000\n#### 1"}"#, "test.jsonl:2: NUL character in 'answer'"),
    (#"{"question": " \n", "answer": "a"}"#, "test.jsonl:2: 'question' is empty"),
    ("\n" + good, "test.jsonl:2: blank line; expected one JSON object a line"),
    (" \t\r\n" + good, "test.jsonl:2: blank line; expected one JSON object a line"),
    ("\u{FEFF}" + good, "test.jsonl:2:1: unexpected byte order mark"),
  ])
  func badLineIsRefusedByPlace(content: String, expected: String) throws {
    let isWholeFile = expected == "test.jsonl: no examples"
    #expect(try refusal(isWholeFile ? content : good + "\n" + content) == expected)
  }

  @Test(arguments: [
    ("so 12 eggs", "so 12 eggs"),
    ("", ""),
    (#"#### 18\n"#, #"#### 18\n"#),
    ("#### eggs", "#### eggs"),
    ("#### 18 eggs", "#### 18 eggs"),
    ("#### $18", "#### $18"),
    ("####18", "####18"),
    ("so #### 18", "so #### 18"),
    ("#### 18,", "#### 18,"),
    ("#### ,18", "#### ,18"),
    ("#### 1.", "#### 1."),
    ("#### 1.5.2", "#### 1.5.2"),
    ("#### -", "#### -"),
    (#"#### 17\n#### 18"#, #"#### 17\n#### 18"#),
    (#"a ####\n#### 18"#, #"a ####\n#### 18"#),
    (
      "This answer is so long that a message must show nothing but its end",
      "… a message must show nothing but its end"
    ),
  ])
  func answerWithoutItsOneFinalLineIsRefused(answer: String, shown: String) throws {
    #expect(
      try refusal(line(answer: answer))
        == "test.jsonl:1: 'answer' does not end in its only '#### NUMBER' line, got \"\(shown)\"")
  }

  @Test(arguments: ["18", "-18", "2,125", "3.50", "0"]) func finalNumberLoads(number: String) throws {
    #expect(try refusal(line(answer: "#### " + number)) == "accepted")
  }

  @Test func badUTF8IsRefusedByPlace() throws {
    let bytes = Array((good + "\n" + #"{"question": ""#).utf8) + [0xFF] + Array(#"", "answer": "a"}"#.utf8)
    #expect(try refusal(bytes) == "test.jsonl:2:15: bad UTF-8")
  }

  @Test func nulByteIsRefusedByPlace() throws {
    #expect(
      try refusal(good + "\n{\"question\": \"a\0\"}")
        == "test.jsonl:2:16: control character U+0000 in a string; expected it escaped")
  }

  @Test func lineOver16MiBIsRefused() throws {
    let long = #"{"question": ""# + String(repeating: "x", count: 16 << 20) + "\"}"
    #expect(try refusal(long) == "test.jsonl:1: line of 16777232 bytes; expected at most 16777216")
  }

  @Test func limitOfZeroHasNoExamples() throws {
    #expect(try refusal(good, limit: 0) == "test.jsonl: no examples")
  }
}
