import Files
import Testing
import FineTuning

/// The report states the settings that the evaluation used, not those of config.yaml.
@Suite struct ReportSettingsTests {
  /// The facts of one run in a report, by name.
  private func facts(_ report: StudyReport) -> [String: String] {
    Dictionary(uniqueKeysWithValues: report.factsTable.rows.map { ($0[0], $0[1]) })
  }

  @Test func overridesOfEvalAreWhatTheReportSays() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml", "--quiet").status == 0)
    let overrides = [
      "evaluation.max_new_tokens=5", "evaluation.limit=2", "evaluation.shots=1",
      "evaluation.example={question: 'Two?', answer: '#### 2'}", "evaluation.instruction=Solve.",
      "evaluation.stop=[\"Question:\"]", "prompt.template=chat", "model.precision=float32",
    ]
    #expect(try workspace.run(["eval", "runs/run", "--quiet"] + overrides).status == 0)
    let report = StudyReport(try RunRecord.load(["\(workspace.path)/runs/run"]))
    let facts = facts(report)
    #expect(facts["Prompt form"] == "chat")
    #expect(facts["Evaluated on"] == "data/test.jsonl, 2 questions")
    #expect(facts["Limit of questions"] == "2" && facts["Longest answer"] == "5 tokens")
    #expect(facts["Worked examples"] == "1" && facts["Instruction"] == "\"Solve.\"")
    #expect(facts["Strings that end an answer"] == "\"Question:\"")
    #expect(facts["Questions side by side"] == "2" && facts["Model of evaluation"] == "model, float32")
    #expect(report.accuracyTable.rows[0][1] == "full, 1-shot")
  }

  @Test func summaryHoldsTheSettings() throws {
    let workspace = try Workspace()
    #expect(
      try workspace.run(
        "eval", "run.yaml", "method=none", "--quiet", "evaluation.limit=null", "evaluation.stop=[a, b]"
      ).status == 0)
    let settings = try wanted(workspace.object("runs/run/evaluation/summary.json")["settings"])
    #expect(
      settings.text() == """
        {"evaluation":{"split":"test","variant":"main","limit":null,"max_new_tokens":6,"batch_size":2,"shots":0,\
        "instruction":null,"example":null,"stop":["a","b"],"probes":null},"prompt":{"template":"plain"},\
        "model":{"path":"model","precision":"bf16"},"data":{"path":"data"},"device":"cpu"}
        """)
  }

  /// A summary with these settings of the evaluation section.
  private func summary(
    limit: String = "100", tokens: Int = 256, shots: Int = 0, model: String = "models/gemma-2b-it"
  ) -> String {
    """
    {"references": "data/gsm8k/test.jsonl", "prompt_hash": "00aa", "settings": {"evaluation": {"split": "test",
    "variant": "main", "limit": \(limit), "max_new_tokens": \(tokens), "batch_size": 16, "shots": \(shots),
    "instruction": null, "example": \(shots == 0 ? "null" : #"{"question": "q", "answer": "a"}"#), "stop": [],
    "probes": null}, "prompt": {"template": "plain"}, "model": {"path": "\(model)", "precision": "bf16"},
    "data": {"path": "data/gsm8k"}, "device": "cpu"}}
    """
  }

  @Test func evaluationWithoutSettingsSaysThatTheyAreNotRecorded() throws {
    var run = smallStudy[1]
    run.configuration += "evaluation: {shots: 1, example: {question: q, answer: a}, max_new_tokens: 77}\n"
    try withReport([run]) { report, _ in
      let facts = facts(report)
      for name in [
        "Prompt form", "Limit of questions", "Worked examples", "Instruction", "Strings that end an answer",
        "Questions side by side", "Longest answer", "Model of evaluation",
      ] { #expect(facts[name] == "not recorded", "\(name)") }
      #expect(report.accuracyTable.rows[0][1] == "full")
    }
  }

  @Test func runThatIsNotEvaluatedHasNoSettings() throws {
    try withReport([RunFiles("a", method: "full").trained(["1.0"])]) { report, _ in
      #expect(facts(report)["Longest answer"] == "–" && facts(report)["Prompt form"] == "–")
    }
  }

  @Test func otherSettingsSideBySideAreNoted() throws {
    var runs = smallStudy
    runs[0].summary = summary(shots: 1)
    runs[1].summary = summary(limit: "null", tokens: 12)
    runs[2].summary = summary()
    try withReport(runs) { report, _ in
      #expect(
        report.notes == [
          "Runs were not evaluated with the same settings: evaluation.limit 100 (base, lora-socratic), all "
            + "(full-main); evaluation.max_new_tokens 256 (base, lora-socratic), 12 (full-main); evaluation.shots "
            + "1 (base), 0 (full-main, lora-socratic); evaluation.example \"q\" (base), none (full-main, lora-socratic)."
        ])
      #expect(report.json.objectValue?["notes"] == .array(report.notes.map { .string($0) }))
    }
  }

  @Test func sameSettingsNeedNoNote() throws {
    var runs = smallStudy
    for index in runs.indices { runs[index].summary = summary() }
    try withReport(runs) { report, _ in #expect(report.notes.isEmpty) }
    // Settings that are not recorded are not compared.
    runs[1].summary = smallStudy[1].summary
    try withReport(runs) { report, _ in #expect(report.notes.isEmpty) }
  }

  @Test func adapterOnAnotherBaseIsNoted() throws {
    var run = smallStudy[2]
    run.summary = summary(model: "models/other")
    try withReport([run]) { report, _ in
      #expect(
        report.notes == [
          "lora-socratic was evaluated on another base model (models/other) than it was trained on (models/gemma-2b-it)."
        ])
    }
  }

  @Test(arguments: [
    (
      "\"limit\": 100", "\"limit\": \"all\"",
      #"settings.evaluation.limit: got "all"; expected a whole number or null"#
    ),
    ("\"stop\": []", "\"stop\": [1]", "settings.evaluation.stop: got [1]; expected a list of texts"),
    (
      "\"template\": \"plain\"", "\"template\": \"prose\"",
      #"settings.prompt.template: got "prose"; expected plain or chat"#
    ),
    ("\"device\": \"cpu\"", "\"device\": \"tpu\"", #"settings.device: got "tpu"; expected cpu or cuda"#),
    ("\"prompt\":", "\"promt\":", "settings.prompt: missing; expected an object"),
  ])
  func settingOfAnotherTypeIsNamed(from: String, to: String, message: String) throws {
    var run = smallStudy[0]
    run.summary = summary().replacing(from, with: to)
    try withRunFolders(run.files) { folder in
      let file = "\(folder)/base/evaluation/summary.json"
      #expect(throws: Fault(.badData, "\(file): \(message)")) {
        try RunRecord.load(["\(folder)/base"])
      }
    }
  }
}
