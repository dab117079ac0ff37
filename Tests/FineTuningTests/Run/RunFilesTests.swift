import Files
import Testing
import FineTuning

/// Each file of a run is read by the type that writes it.
@Suite struct RunFilesTests {
  /// The text of JSON values, one a line.
  private func lines(_ rows: [JSONValue]) -> String { rows.map { $0.text() + "\n" }.joined() }

  @Test func filesOfARunReadBackToTheSameBytes() throws {
    let workspace = try Workspace()
    try workspace.write("probes.jsonl", "{\"question\": \"Who?\"}\n")
    #expect(try workspace.run("train", "run.yaml", "method=lora").status == 0)
    #expect(
      try workspace.run("eval", "runs/run", "evaluation.probes=probes.jsonl", "evaluation.stop=[zz]").status
        == 0)
    let paths = RunPaths("\(workspace.path)/runs/run")
    let curve = try wanted(TrainingCurve(contentsOf: paths.metrics))
    #expect(try lines(curve.steps.map(\.json)) == workspace.text("runs/run/metrics.jsonl"))
    let facts = try RunFacts(contentsOf: paths.final)
    #expect(facts.baseFingerprint != nil)
    #expect(
      try facts.json.text(indent: 2) + "\n" == workspace.text("runs/run/final/\(RunFacts.fileName)"))
    let evaluation = try wanted(EvaluationRecord(contentsOf: paths))
    #expect(evaluation.answers.count == 3 && evaluation.probes.count == 1)
    #expect(
      try lines(evaluation.answers.map(\.json)) == workspace.text("runs/run/evaluation/predictions.jsonl"))
    #expect(try lines(evaluation.probes.map(\.json)) == workspace.text("runs/run/evaluation/probes.jsonl"))
    let summary = try wanted(evaluation.summary)
    #expect(try summary.json.text(indent: 2) + "\n" == workspace.text("runs/run/evaluation/summary.json"))
  }

  @Test func answerReadsBack() throws {
    let line = answerLine(7, isRight: false)
    let fields = try JSONFields((number: 1, bytes: Array(line.utf8)[...]), file: "p")
    let answer = try AnswerRecord(fields)
    #expect(answer.json.text() + "\n" == line)
    #expect(answer.stop == .endOfSequence && answer.tags == ["reasoning"] && answer.definitionsDisagree)
  }

  @Test func olderAnswerDoesNotSayAllOfIt() throws {
    let text =
      #"{"id":1,"question":"q","reference":"r","completion":"c","extracted":null,"correct":false,"#
      + #""correct_flexible":true,"tokens":3}"#
    let answer = try AnswerRecord(JSONFields((number: 1, bytes: Array(text.utf8)[...]), file: "p"))
    #expect(answer.correctOpenAI == nil && answer.stop == nil && answer.tags == nil)
    #expect(answer.json.text() == text)
  }

  @Test(arguments: [
    (#"{"references": 5}"#, "references: got 5; expected text"),
    (#"{"count": -1}"#, "count: got -1; expected a whole number from 0"),
    (#"{"other_base": "yes"}"#, #"other_base: got "yes"; expected true or false"#),
    ("[]", "got []; expected an object"),
  ])
  func badSummaryIsNamed(text: String, message: String) throws {
    try withRunFolders(["summary.json": text]) { folder in
      #expect(throws: Fault(.badData, "\(folder)/summary.json: \(message)")) {
        try EvaluationSummary(contentsOf: "\(folder)/summary.json")
      }
    }
  }

  @Test func olderSummaryDoesNotSayAllOfIt() throws {
    try withRunFolders(["summary.json": #"{"prompt_hash":"00aa","settings":null}"#]) { folder in
      let summary = try EvaluationSummary(contentsOf: "\(folder)/summary.json")
      #expect(summary.promptHash == "00aa" && summary.score == nil && summary.settings == nil)
      #expect(!summary.isOverOtherBase)
      #expect(summary.json.text() == #"{"prompt_hash":"00aa"}"#)
    }
  }
}
