import Files
import Foundation
import Testing

@Suite struct EvalCommandTests {
  /// A workspace with a trained run.
  private func trained(_ overrides: String...) throws -> Workspace {
    let workspace = try Workspace()
    #expect(try workspace.run(["train", "run.yaml", "--quiet"] + overrides).status == 0)
    return workspace
  }

  @Test(arguments: ["full", "lora"])
  func evaluationOfARunWritesPredictionsAndSummary(_ method: String) throws {
    let workspace = try trained("method=\(method)")
    let before = workspace.contents
    #expect(try workspace.run("eval", "run.yaml", "method=\(method)").status == 0)
    #expect(
      workspace.contents.filter { !before.contains($0) } == [
        "runs/run/evaluation", "runs/run/evaluation/predictions.jsonl", "runs/run/evaluation/summary.json",
      ])
  }

  @Test func predictionsHoldTheKeysOfTheContract() throws {
    let workspace = try trained()
    #expect(try workspace.run("eval", "run.yaml").status == 0)
    let rows = try workspace.objects("runs/run/evaluation/predictions.jsonl")
    #expect(rows.map { $0["id"]?.intValue } == [0, 1, 2])
    #expect(rows[0]["question"]?.stringValue == "Ann has 6 figs and buys 2. How many now?")
    #expect(rows[0]["reference"]?.stringValue == "6 + 2 = <<6+2=8>>8\n#### 8")
    #expect(
      rows[0].members.map(\.key) == [
        "id", "question", "reference", "completion", "extracted", "correct", "correct_flexible",
        "correct_openai", "stop", "tokens", "tags",
      ])
    #expect(rows.allSatisfy { ($0["tokens"]?.intValue ?? 7) <= 6 })
  }

  @Test func summaryHoldsTheKeysOfTheContract() throws {
    let workspace = try trained()
    #expect(try workspace.run("eval", "run.yaml", "evaluation.limit=2").status == 0)
    let summary = try workspace.object("runs/run/evaluation/summary.json")
    #expect(
      summary.members.map(\.key) == [
        "exact_match", "exact_match_flexible", "exact_match_openai", "count", "correct", "correct_flexible",
        "correct_openai", "confidence_interval_95", "mean_tokens", "tokens_per_second", "seconds",
        "prompt_hash", "model", "run", "method", "references", "batch_size", "kernels", "settings",
      ])
    #expect(summary["count"]?.intValue == 2)
    #expect(summary["run"]?.stringValue == "run")
    #expect(summary["references"]?.stringValue == "data/test.jsonl")
  }

  @Test func resultIsTheScore() throws {
    let result = try trained().run("eval", "run.yaml", "--quiet")
    #expect(
      result
        == CommandResult(
          status: 0,
          output: "0/3 exact match: 0.0 % [0.0, 56.1] (flexible 0.0 %, OpenAI 0.0 %)\n", errors: ""))
  }

  @Test func progressGoesToStandardErrorAsPlainLines() throws {
    let workspace = try trained()
    let lines = try workspace.run("eval", "run.yaml").errors.split(separator: "\n")
    let kernels = try wanted(workspace.object("runs/run/evaluation/summary.json")["kernels"]?.stringValue)
    #expect(lines.first ?? "" == "evaluating on \(kernels)" && kernels.hasSuffix(", 1 thread"))
    #expect(
      lines.dropFirst().map { $0.prefix(13) } == ["OpenBLAS kern", "evaluated 2/3", "evaluated 3/3"])
  }

  @Test func jsonResultIsTheSummaryOnOneLine() throws {
    let workspace = try trained()
    let result = try workspace.run("eval", "run.yaml", "--json")
    #expect(result.output.hasSuffix("}\n") && result.output.split(separator: "\n").count == 1)
    let printed = try wanted(JSONValue(parsing: Array(result.output.utf8), file: "output").objectValue)
    #expect(try printed == workspace.object("runs/run/evaluation/summary.json"))
  }

  @Test func baseModelIsEvaluatedWithoutARun() throws {
    let workspace = try Workspace()
    let before = workspace.contents
    #expect(try workspace.run("eval", "run.yaml", "method=none").status == 0)
    #expect(
      workspace.contents.filter { !before.contains($0) } == [
        "runs", "runs/run", "runs/run/config.yaml", "runs/run/evaluation",
        "runs/run/evaluation/predictions.jsonl", "runs/run/evaluation/summary.json",
      ])
    #expect(try workspace.run("eval", "run.yaml", "method=none").status == 0)
  }

  @Test func runDirectoryIsEvaluatedByItsOwnConfiguration() throws {
    let workspace = try trained("evaluation.max_new_tokens=3")
    try FileManager.default.removeItem(atPath: "\(workspace.path)/run.yaml")
    try FileManager.default.moveItem(atPath: "\(workspace.path)/runs/run", toPath: "\(workspace.path)/moved")
    #expect(try workspace.run("eval", "moved").status == 0)
    let rows = try workspace.objects("moved/evaluation/predictions.jsonl")
    #expect(rows.allSatisfy { ($0["tokens"]?.intValue ?? 4) <= 3 })
    #expect(!workspace.contents.contains("runs/run"))
  }

  @Test func pathsOfARunAreThoseOfTheWorkingDirectory() throws {
    let workspace = try trained()
    #expect(
      try workspace.run(["eval", "."], in: "runs/run")
        == .refusal(
          66, "data/test.jsonl: no such file", hint: "scripts/fetch_gsm8k.sh fetches GSM8K into data/gsm8k."))
  }

  @Test(arguments: ["runs/run", "run.yaml"]) func fullRunNeedsNoBaseModel(_ target: String) throws {
    let workspace = try trained()
    #expect(try workspace.run("eval", target, "--quiet").status == 0)
    let predictions = try workspace.bytes("runs/run/evaluation/predictions.jsonl")
    try FileManager.default.removeItem(atPath: "\(workspace.path)/model")
    #expect(try workspace.run("eval", target, "--quiet").status == 0)
    #expect(try workspace.bytes("runs/run/evaluation/predictions.jsonl") == predictions)
    #expect(try workspace.run("report", "runs/run", "--output", "report").status == 0)
  }

  @Test func weightsThatSayNothingOfTheirRunAreEvaluatedWithANote() throws {
    let workspace = try trained()
    try FileManager.default.removeItem(atPath: "\(workspace.path)/runs/run/final/gemmatune.json")
    let result = try workspace.run("eval", "run.yaml")
    #expect(result.status == 0)
    #expect(
      result.errors.contains(
        "note: runs/run/final has no gemmatune.json: the prompt of its training is not known\n"
      ))
  }

  @Test func fullWeightsAreThoseThatWereTrained() throws {
    // After ten epochs on one answer the model gives it. The base does not.
    let workspace = try Workspace()
    try workspace.write("data/train.jsonl", TinyInputs.problem("Two?", "#### 2"))
    try workspace.write("data/test.jsonl", TinyInputs.problem("Two?", "#### 2"))
    #expect(try workspace.run("train", "run.yaml", "train.epochs=60", "--quiet").status == 0)
    let result = try workspace.run("eval", "run.yaml", "--quiet")
    #expect(result.output.hasPrefix("1/1 exact match: 100.0 %"))
    let rows = try workspace.objects("runs/run/evaluation/predictions.jsonl")
    #expect(rows[0]["completion"]?.stringValue == " #### 2" && rows[0]["stop"]?.stringValue == "eos")
    #expect(
      try workspace.run("eval", "run.yaml", "method=none", "run.directory=base", "--quiet").output
        .hasPrefix("0/1"))
  }

  @Test func adapterIsTheOneThatWasTrained() throws {
    let workspace = try Workspace()
    try workspace.write("data/train.jsonl", TinyInputs.problem("Two?", "#### 2"))
    try workspace.write("data/test.jsonl", TinyInputs.problem("Two?", "#### 2"))
    #expect(
      try workspace.run("train", "run.yaml", "method=lora", "train.epochs=150", "--quiet").status == 0)
    let result = try workspace.run("eval", "run.yaml", "method=lora", "--quiet")
    #expect(result.output.hasPrefix("1/1 exact match: 100.0 %"))
  }

  @Test func stopStringEndsAnAnswer() throws {
    let workspace = try Workspace()
    try workspace.write("data/train.jsonl", TinyInputs.problem("Two?", "#### 2"))
    try workspace.write("data/test.jsonl", TinyInputs.problem("Two?", "#### 2"))
    #expect(try workspace.run("train", "run.yaml", "train.epochs=60", "--quiet").status == 0)
    #expect(try workspace.run("eval", "run.yaml", "evaluation.stop=[\"# \"]", "--quiet").status == 0)
    let rows = try workspace.objects("runs/run/evaluation/predictions.jsonl")
    #expect(rows[0]["completion"]?.stringValue == " ###")
    #expect(rows[0]["stop"]?.stringValue == "stop_string")
  }

  @Test func probesAreAnsweredAndNotScored() throws {
    let workspace = try trained()
    try workspace.write("probes.jsonl", "{\"question\": \"Who?\"}\n{\"question\": \"Why?\"}\n")
    #expect(try workspace.run("eval", "run.yaml", "evaluation.probes=probes.jsonl").status == 0)
    let rows = try workspace.objects("runs/run/evaluation/probes.jsonl")
    #expect(rows.map { $0["question"]?.stringValue } == ["Who?", "Why?"])
    #expect(rows[0].members.map(\.key) == ["question", "completion", "stop", "tokens"])
    #expect(try workspace.object("runs/run/evaluation/summary.json")["count"]?.intValue == 3)
    #expect(try workspace.run("eval", "run.yaml").status == 0)
    #expect(!workspace.contents.contains("runs/run/evaluation/probes.jsonl"))
  }

  @Test func promptOtherThanTheTrainingsIsNoted() throws {
    let workspace = try trained()
    let hash = try wanted(workspace.object("runs/run/final/gemmatune.json")["prompt_hash"]?.stringValue)
    #expect(!(try workspace.run("eval", "run.yaml").errors.contains("note:")))
    let result = try workspace.run("eval", "run.yaml", "evaluation.instruction=Solve.")
    #expect(
      result.errors.contains("note: the prompt differs from the one that these weights were trained with ("))
    #expect(result.errors.contains(", trained with \(hash))\n"))
    #expect(try workspace.run("eval", "run.yaml", "evaluation.instruction=Solve.", "--quiet").errors.isEmpty)
  }

  @Test func answersDoNotDependOnTheBatchSize() throws {
    let workspace = try trained("method=lora")
    func predictions(_ batch: Int) throws -> [UInt8] {
      #expect(
        try workspace.run("eval", "run.yaml", "method=lora", "evaluation.batch_size=\(batch)").status == 0)
      return try workspace.bytes("runs/run/evaluation/predictions.jsonl")
    }
    #expect(try predictions(1) == predictions(3))
  }
}
