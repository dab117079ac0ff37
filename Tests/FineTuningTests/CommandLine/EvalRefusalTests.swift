import Files
import Foundation
import Testing

/// What `gemmatune eval` refuses: one error line, the right status, and no file written.
@Suite struct EvalRefusalTests {
  private func refusal(
    _ arguments: String..., prepare: (Workspace) throws -> Void = { _ in }
  ) throws -> CommandResult {
    let workspace = try Workspace()
    try prepare(workspace)
    let before = workspace.contents
    let result = try workspace.run(["eval"] + arguments)
    #expect(workspace.contents == before)
    return result
  }

  @Test func runThatIsNotFinished() throws {
    #expect(
      try refusal("run.yaml")
        == .refusal(
          66, "runs/run/final: no finished weights of this run",
          hint: "train it first: gemmatune train CONFIG"))
  }

  @Test(arguments: [
    ("config.json", "runs/run/final/config.json: no such file"),
    ("tokenizer.model", "runs/run/final/tokenizer.model: no such file"),
  ])
  func fullRunThatLacksAFile(_ file: String, _ message: String) throws {
    let result = try refusal("run.yaml") {
      #expect(try $0.run("train", "run.yaml", "--quiet").status == 0)
      try FileManager.default.removeItem(atPath: "\($0.path)/runs/run/final/\(file)")
    }
    #expect(result == .refusal(66, message, hint: "put the file back, or train the run again"))
  }

  @Test func fullRunThatLacksItsWeights() throws {
    let result = try refusal("run.yaml") {
      #expect(try $0.run("train", "run.yaml", "--quiet").status == 0)
      try FileManager.default.removeItem(atPath: "\($0.path)/runs/run/final/model.safetensors")
    }
    #expect(
      result
        == .refusal(
          66, "runs/run/final: no weights; expected model.safetensors or model.safetensors.index.json",
          hint: "put the file back, or train the run again"))
  }

  @Test func finishedRunWithBadFacts() throws {
    let result = try refusal("run.yaml") {
      #expect(try $0.run("train", "run.yaml", "--quiet").status == 0)
      try $0.write("runs/run/final/gemmatune.json", "{}")
    }
    #expect(
      result
        == .refusal(65, "runs/run/final/gemmatune.json: prompt_hash: missing; expected text"))
  }

  @Test func folderThatIsNoRun() throws {
    #expect(try refusal("data") == .refusal(66, "data/config.yaml: no such file"))
  }

  @Test func missingTestSplit() throws {
    let result = try refusal("run.yaml", "method=none") {
      try FileManager.default.removeItem(atPath: "\($0.path)/data/test.jsonl")
    }
    #expect(
      result
        == .refusal(
          66, "data/test.jsonl: no such file", hint: "scripts/fetch_gsm8k.sh fetches GSM8K into data/gsm8k."))
  }

  @Test func emptyTestSplit() throws {
    let result = try refusal("run.yaml", "method=none") { try $0.write("data/test.jsonl", "") }
    #expect(result == .refusal(65, "data/test.jsonl: no examples"))
  }

  @Test func missingProbes() throws {
    #expect(
      try refusal("run.yaml", "method=none", "evaluation.probes=p.jsonl")
        == .refusal(66, "p.jsonl: no such file"))
  }

  @Test func probeWithoutQuestion() throws {
    let result = try refusal("run.yaml", "method=none", "evaluation.probes=p.jsonl") {
      try $0.write("p.jsonl", "{\"question\": \"a\"}\n{\"question\": \"\"}\n")
    }
    #expect(result == .refusal(65, "p.jsonl:2: question: got \"\"; expected a question"))
  }

  @Test func emptyProbes() throws {
    let result = try refusal("run.yaml", "method=none", "evaluation.probes=p.jsonl") {
      try $0.write("p.jsonl", "")
    }
    #expect(result == .refusal(65, "p.jsonl: holds no probe"))
  }

  @Test func baseEvaluationInTheFolderOfATrainingRun() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml").status == 0)
    let configuration = try workspace.bytes("runs/run/config.yaml")
    #expect(
      try workspace.run("eval", "runs/run", "method=none")
        == .refusal(
          73, "runs/run: a run is there already (it has metrics.jsonl)",
          hint: "set run.name or run.directory to another, or remove the folder"))
    #expect(try workspace.bytes("runs/run/config.yaml") == configuration)
  }

  // Saved answers to the three problems in data/test.jsonl, ids 0 to 2.
  private func scored(_ predictions: String, _ arguments: String...) throws -> CommandResult {
    let workspace = try Workspace()
    try workspace.write("p.jsonl", predictions)
    let before = workspace.contents
    let result = try workspace.run(
      ["eval", "--predictions", "p.jsonl", "--references", "data/test.jsonl"] + arguments)
    #expect(workspace.contents == before)
    return result
  }

  private let rightAnswers = """
    {"id": 2, "completion": "#### 10"}
    {"id": 0, "completion": "6 + 2 = 8\\n#### 8", "more": 1}
    {"id": 1, "completion": "the answer is 9"}

    """

  @Test func savedAnswersAreScored() throws {
    #expect(
      try scored(rightAnswers)
        == CommandResult(
          status: 0,
          output: "2/3 exact match: 66.7 % [20.8, 93.9] (flexible 100.0 %, OpenAI 66.7 %)\n", errors: ""))
  }

  @Test func savedAnswersAreScoredAsJSON() throws {
    let result = try scored(rightAnswers, "--json")
    let score = try wanted(JSONValue(parsing: Array(result.output.utf8), file: "output").objectValue)
    #expect(score["count"]?.intValue == 3 && score["correct"]?.intValue == 2)
    #expect(result.status == 0 && result.errors.isEmpty)
  }

  @Test func savedAnswersWithAGap() throws {
    #expect(
      try scored("{\"id\": 0, \"completion\": \"\"}\n")
        == .refusal(
          65, "p.jsonl: no prediction for id 1 and 1 more; expected one for each of the 3 problems"))
  }

  @Test func savedAnswersWithARepeatedId() throws {
    #expect(
      try scored("{\"id\": 0, \"completion\": \"\"}\n{\"id\": 0, \"completion\": \"\"}\n")
        == .refusal(65, "p.jsonl:2: id 0 again, first on line 1"))
  }

  @Test func savedAnswersWithAnExtraId() throws {
    #expect(
      try scored("{\"id\": 3, \"completion\": \"\"}\n")
        == .refusal(65, "p.jsonl:1: id 3 has no problem; expected 0 to 2"))
  }

  @Test func missingSavedAnswers() throws {
    #expect(
      try refusal("--predictions", "p.jsonl", "--references", "data/test.jsonl")
        == .refusal(66, "p.jsonl: no such file"))
  }

  @Test(arguments: [
    ["--predictions", "p.jsonl"], ["--references", "data/test.jsonl"], [], ["run.yaml", "--bogus"],
    ["run.yaml", "--predictions", "p.jsonl", "--references", "data/test.jsonl"],
  ])
  func wrongUsage(_ arguments: [String]) throws {
    let result = try Workspace().run(["eval"] + arguments)
    #expect(result.status == 64 && result.output.isEmpty && !result.errors.isEmpty)
  }
}
