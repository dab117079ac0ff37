import Testing
import FineTuning

/// `#` after a blank begins a comment in YAML, and answers end with `####`. No text may be cut in silence.
struct UncutTextTests {
  private static let cut = "a text without quotes ends at a comment"
  private static let ask = "expected quotes around the text"

  @Test(arguments: [
    ("instruction: Show it, then #### and 5.", "2:30: evaluation.instruction", "#### and 5."),
    ("instruction: a\t# b", "2:18: evaluation.instruction", "# b"),
    ("instruction: a\n    b #### c", "3:7: evaluation.instruction", "#### c"),
    ("instruction: Show it, then\n    #### and 5.", "3:5: evaluation.instruction", "#### and 5."),
    ("instruction: Show it, then\n\n   #### and 5.", "4:4: evaluation.instruction", "#### and 5."),
    ("instruction: a #### b\n    c", "2:18: evaluation.instruction", "#### b"),
    ("instruction: #### b\n    c", "2:16: evaluation.instruction", "#### b"),
    ("instruction:\n    #### b\n    c", "3:5: evaluation.instruction", "#### b"),
    ("probes: p.jsonl # mine", "2:19: evaluation.probes", "# mine"),
    ("stop: [a, b #c\n   ]", "2:15: evaluation.stop[1]", "#c"),
    ("stop: [a #b, c]", "2:12: evaluation.stop", "#b, c]"),
    ("stop:\n  - a #b\n  - c", "3:7: evaluation.stop[0]", "#b"),
    ("example: {question: a #b, answer: c}", "2:25: evaluation.example.question", "#b, answer: c}"),
    ("example:\n    question: a\n    answer: b #### 5", "4:15: evaluation.example.answer", "#### 5"),
  ])
  func commentAfterATextWithoutQuotesIsRejected(lines: String, place: String, comment: String) {
    #expect(
      configurationFaults("evaluation:\n  \(lines)\n").first
        == "configs/a.yaml:\(place): \(Self.cut), got '\(comment)'; \(Self.ask)")
  }

  @Test(arguments: [
    ("run: {name: a #b\n}", "1:15: run.name"), ("run:\n  directory: r/${method} #b", "2:26: run.directory"),
    ("model:\n  path: m #b", "2:11: model.path"), ("data:\n  path: d #b", "2:11: data.path"),
    ("lora:\n  initialize_from: d #b", "2:22: lora.initialize_from"),
    ("cuda:\n  libraries: d #b", "2:16: cuda.libraries"),
    ("cuda:\n  kernel_cache: d #b", "2:19: cuda.kernel_cache"), ("extends: d #b", "1:12: extends"),
  ])
  func commentAfterANameOrAPathIsRejected(yaml: String, place: String) {
    #expect(
      configurationFaults(yaml + "\n")
        == ["configs/a.yaml:\(place): \(Self.cut), got '#b'; \(Self.ask)"])
  }

  @Test(arguments: [
    ("instruction: #### x", "2:16: evaluation.instruction"), ("example: #### x", "2:12: evaluation.example"),
    ("instruction:\n    #### x", "3:5: evaluation.instruction"),
    ("stop:\n    - #### x\n    - b", "3:7: evaluation.stop[0]"),
  ])
  func commentInThePlaceOfATextIsRejected(lines: String, place: String) {
    #expect(
      configurationFaults("evaluation:\n  \(lines)\n") == [
        "configs/a.yaml:\(place): a comment and no value, got '#### x'; "
          + "expected quotes around a text, or null for none"
      ])
  }

  @Test(arguments: [
    ("stop: [#### ]", "2:10", "#### ]"), ("stop: [ ####\n    ]", "2:11", "####"),
    ("stop: [a, ####\n    b]", "2:13", "####"), ("stop: [a,#b\n    ]", "2:12", "#b"),
    ("stop: [#### ]\n  limit: 5", "2:10", "#### ]"), ("stop: [ # a ]\n  limit: 5", "2:11", "# a ]"),
  ])
  func commentAtThePlaceOfATextInBracketsIsRejected(lines: String, place: String, comment: String) {
    #expect(
      configurationFaults("evaluation:\n  \(lines)\n") == [
        "configs/a.yaml:\(place): evaluation.stop: a comment within [ ] or { }, got '\(comment)'; "
          + "expected quotes around each text"
      ])
  }

  @Test func textInAnExtendedFileIsNotCut() throws {
    let files = ["a.yaml": "extends: b.yaml\n", "b.yaml": "evaluation:\n  instruction: a #b\n"]
    try withConfigurationFolder(files) { folder in
      #expect(
        faultMessages { _ = try RunConfiguration.load(path: "\(folder)/a.yaml") } == [
          "\(folder)/b.yaml:2:18: evaluation.instruction: \(Self.cut), got '#b'; \(Self.ask)"
        ])
    }
  }

  @Test(arguments: [
    ("instruction: \"a #b\" # c", "a #b"), ("instruction: 'a #b'", "a #b"), ("instruction: a#b", "a#b"),
    ("instruction: |  # c\n    a #b\n    #### c", "a #b\n#### c\n"), ("instruction: >\n    a #b", "a #b\n"),
    ("instruction:\n    # c\n    a", "a"), ("instruction: a\n  # c", "a"), ("instruction: a\n# c", "a"),
    ("# c\n  instruction: a", "a"),
  ])
  func otherTextsAndCommentsStayAsTheyAre(lines: String, text: String) throws {
    #expect(try configuration("evaluation:\n  \(lines)\n").evaluation.instruction == text)
  }

  @Test func commentsBetweenQuotedTextsAreComments() throws {
    let found = try configuration(
      "evaluation:\n  stop: [\"a\",  # first\n    # second\n    'b #',\n  ]  # all\n")
    #expect(found.evaluation.stop == ["a", "b #"])
  }

  @Test func commentsBesideWhatIsNoTextAreComments() throws {
    let yaml = """
      method: full  # none | full | lora
      run:  # who
        seed: 3  # a number
      lora:
        targets: [q_proj, # first
          k_proj # second
        ]
      data:
        limit: 7  # so many
        shuffle: false  # in order
      evaluation:
        probes: null  # none
        limit: null  # all

      """
    let found = try configuration(yaml)
    #expect(found.method == .full && found.run.seed == 3 && found.data.limit == 7 && !found.data.shuffle)
    #expect(found.lora.targets.map(\.rawValue) == ["q_proj", "k_proj"])
    #expect(found.evaluation.limit == nil)
  }

  @Test func badIndentationAfterACommentIsNotTheCommentsFault() {
    #expect(
      configurationFaults("lora:\n  rank: 16 # x\n   alpha: 32\n") == [
        "configs/a.yaml:3:4: not YAML: did not find expected key"
      ])
  }

  @Test(arguments: [
    "Show each step, then #### and the number.", "#### 12", "a #b", "a\t# b", "# a", "a#b", "é # ü",
    "\u{E000} # \u{E001}",
  ])
  func textOnTheCommandLineIsWhole(text: String) throws {
    #expect(try configuration("{}", "evaluation.instruction=\(text)").evaluation.instruction == text)
  }

  @Test func listsAndMapsOnTheCommandLineAreWhole() throws {
    let found = try configuration(
      "{}", "evaluation.stop=[a #b, c, ####, \"d #e\"]", "evaluation.shots=1",
      "evaluation.example={question: a #b, answer: #### 5}")
    #expect(found.evaluation.stop == ["a #b", "c", "####", "d #e"])
    #expect(found.evaluation.example == .init(question: "a #b", answer: "#### 5"))
  }

  @Test(arguments: [
    ("evaluation.limit=5 # all", "evaluation.limit: expected an integer, got '5 # all'"),
    (
      "evaluation.instruction=\"a\" # b",
      "evaluation.instruction: not YAML: more text after the value; put quotes around all of it"
    ),
    (
      "evaluation.instruction=--- a",
      "evaluation.instruction: '---' or '...' marks a document; put quotes around the text"
    ),
    (
      "evaluation.instruction=a\n... b",
      "evaluation.instruction: '---' or '...' marks a document; put quotes around the text"
    ),
    (
      "evaluation.instruction=@#", "evaluation.instruction: not YAML: a value cannot begin with '@'; quote it"
    ),
    ("lora={al#pha: 1}", "lora.al#pha: unknown key 'al#pha' in lora; did you mean 'alpha'?"),
  ])
  func valueOnTheCommandLineThatCannotBeWholeIsRejected(override: String, message: String) {
    #expect(configurationFaults("{}", override) == ["command line: \(message)"])
  }

  @Test func textOfTheCommandLineReachesTheRun() throws {
    let workspace = try Workspace()
    let text = "Show each step, then #### and the number."
    let result = try workspace.run("train", "run.yaml", "--dry-run", "evaluation.instruction=\(text)")
    #expect(result.status == 0 && result.output.contains("  instruction: \"\(text)\"\n"))
  }

  @Test func cutTextEndsTheCommand() throws {
    let workspace = try Workspace()
    try workspace.write("a.yaml", "method: none\nevaluation:\n  instruction: Then #### and 5.\n")
    #expect(
      try workspace.run("eval", "a.yaml")
        == .refusal(
          78, "a.yaml:3:21: evaluation.instruction: \(Self.cut), got '#### and 5.'; \(Self.ask)"))
  }
}
