import Files
import Foundation
import Testing

/// What an evaluation must never do in silence: score a model that computes NaN, read past the model's
/// positions, or lose an earlier evaluation.
@Suite struct EvalSafetyTests {
  /// A workspace with a trained run, and its finished weights as a model of their own, `bad`. Its gates of
  /// layer 1 are all 3e38: they are finite, but a product of them overflows.
  private func withBadModel() throws -> Workspace {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml", "--quiet").status == 0)
    try FileManager.default.copyItem(
      atPath: "\(workspace.path)/runs/run/final", toPath: "\(workspace.path)/bad")
    try overwrite("model.layers.1.mlp.gate_proj.weight", in: "bad/model.safetensors", workspace)
    return workspace
  }

  private func overwrite(_ name: String, in file: String, _ workspace: Workspace) throws {
    var bytes = try workspace.bytes(file)
    let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try JSONValue(parsing: Array(bytes[8..<8 + length]), file: file).objectValue
    let offsets = try wanted(header?[name]?.objectValue?["data_offsets"]?.arrayValue).compactMap(\.intValue)
    for place in stride(from: offsets[0], to: offsets[1], by: 2) {
      bytes[8 + length + place] = 0x62
      bytes[8 + length + place + 1] = 0x7F
    }
    try Data(bytes).write(to: URL(fileURLWithPath: "\(workspace.path)/\(file)"))
  }

  private func notFinite(_ place: String) -> CommandResult {
    .refusal(
      1,
      "\(place): token 1 of the answer: the model computes NaN or infinity, first in layer 1 (counted from 0)",
      hint: "nothing was written; the weights are damaged, diverged, or too large for model.precision")
  }

  @Test(arguments: ["bf16", "float32"])
  func modelThatComputesNaNHasNoScore(_ precision: String) throws {
    let workspace = try withBadModel()
    let before = workspace.contents
    let result = try workspace.run(
      "eval", "run.yaml", "method=none", "model.path=bad", "model.initialize=pretrained",
      "run.directory=new/base", "model.precision=\(precision)", "--quiet")
    #expect(result == notFinite("data/test.jsonl:1"))
    #expect(workspace.contents == before)
  }

  @Test func runThatComputesNaNKeepsItsEarlierEvaluation() throws {
    let workspace = try withBadModel()
    #expect(try workspace.run("eval", "runs/run", "--quiet").status == 0)
    let files = ["predictions.jsonl", "summary.json"].map { "runs/run/evaluation/\($0)" }
    let before = (workspace.contents, try files.map(workspace.bytes))
    try overwrite("model.layers.1.mlp.gate_proj.weight", in: "runs/run/final/model.safetensors", workspace)
    let result = try workspace.run("eval", "runs/run", "evaluation.limit=1", "--quiet")
    #expect(result == notFinite("data/test.jsonl:1"))
    #expect(workspace.contents == before.0)
    #expect(try files.map(workspace.bytes) == before.1)
  }

  // MARK: - An earlier evaluation

  @Test(arguments: [1, 2])
  func evaluationThatCannotBeWrittenLeavesTheEarlierOne(_ blocks: Int) throws {
    // Files end at 512 or 1,024 bytes, which acts like a full disk.
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml", "--quiet").status == 0)
    #expect(try workspace.run("eval", "runs/run", "evaluation.limit=1", "--quiet").status == 0)
    let files = ["predictions.jsonl", "summary.json"].map { "runs/run/evaluation/\($0)" }
    let before = (workspace.contents, try files.map(workspace.bytes))
    // The answers to three questions have more than 512 bytes. Settings with a long text exceed 1,024.
    let stop = blocks == 1 ? "[]" : "[\(String(repeating: "no", count: 600))]"
    let result = try workspace.run(
      ["eval", "runs/run", "--quiet", "evaluation.stop=\(stop)"],
      shell: "trap '' XFSZ; ulimit -f \(blocks); exec \"$@\"")
    let file = files[blocks - 1]
    #expect(result == .refusal(74, "\(file): cannot be written: File too large"))
    #expect(workspace.contents == before.0)
    #expect(try files.map(workspace.bytes) == before.1)
  }

  // MARK: - Positions

  /// A workspace whose model has this many positions.
  private func withPositions(_ count: Int) throws -> Workspace {
    let workspace = try Workspace()
    try workspace.write(
      "model/config.json",
      TinyInputs.modelConfiguration.replacing(
        "\"max_position_embeddings\": 512", with: "\"max_position_embeddings\": \(count)"))
    return workspace
  }

  private func refusal(_ workspace: Workspace, _ arguments: String...) throws -> CommandResult {
    let before = workspace.contents
    let result = try workspace.run(arguments)
    #expect(workspace.contents == before)
    return result
  }

  private func tooLong(_ place: String, _ count: String, _ positions: Int) -> CommandResult {
    .refusal(
      65, "\(place): the prompt has \(count) tokens; expected at most max_position_embeddings = \(positions)",
      hint: "the model was made for no longer texts: shorten the question, or what stands before it")
  }

  @Test func questionPastThePositionsIsRefused() throws {
    // The questions have 30 tokens. The second one gets some more.
    let workspace = try withPositions(32)
    #expect(try workspace.run("eval", "run.yaml", "method=none", "--quiet").status == 0)
    try workspace.write(
      "data/test.jsonl",
      TinyInputs.problems(7, from: 6) + TinyInputs.problem("One and \(fruit) fig?", "#### 1"))
    let result = try refusal(workspace, "eval", "run.yaml", "method=none")
    #expect(result == tooLong("data/test.jsonl:2", "42", 32))
  }

  private let fruit = "one and one and one and one and one"

  @Test func probePastThePositionsIsRefused() throws {
    let workspace = try withPositions(32)
    try workspace.write("p.jsonl", "{\"question\": \"a\"}\n{\"question\": \"One and \(fruit) fig?\"}\n")
    #expect(
      try refusal(workspace, "eval", "run.yaml", "method=none", "evaluation.probes=p.jsonl")
        == tooLong("p.jsonl:2", "42", 32))
  }

  @Test func instructionPastThePositionsIsRefused() throws {
    let workspace = try withPositions(32)
    let result = try refusal(
      workspace, "eval", "run.yaml", "method=none", "evaluation.instruction=Solve it.")
    #expect(result == tooLong("data/test.jsonl:1", "38", 32))
  }

  @Test(arguments: ["plain", "chat"])
  func questionOfEightMegabytesIsRefusedByItsLength(_ template: String) throws {
    let workspace = try Workspace()
    try workspace.write(
      "data/test.jsonl", TinyInputs.problem(String(repeating: "1234567 ", count: 1 << 20), "#### 1"))
    let result = try refusal(
      workspace, "eval", "run.yaml", "method=none", "prompt.template=\(template)")
    #expect(result.status == 65)
    // Its length decides. It is not encoded, or the message would give its number of tokens.
    #expect(result.errors.hasPrefix("error: data/test.jsonl:1: the prompt has at least "))
  }

  @Test func answersThatMayPassThePositionsAreNoted() throws {
    let workspace = try withPositions(36)
    let result = try workspace.run("eval", "run.yaml", "method=none", "evaluation.max_new_tokens=7")
    #expect(result.status == 0)
    #expect(
      result.errors.contains(
        "note: 3 of 3 prompts and evaluation.max_new_tokens = 7 make more than max_position_embeddings = 36: "
          + "the model was made for no longer texts\n"))
    #expect(!(try workspace.run("eval", "run.yaml", "method=none").errors.contains("note:")))
  }

  @Test func trainingExamplePastThePositionsIsRefused() throws {
    let workspace = try withPositions(51)
    #expect(
      try refusal(workspace, "train", "run.yaml", "--dry-run")
        == .refusal(
          65, "data/train.jsonl:1: the example has 52 tokens; expected at most max_position_embeddings = 51",
          hint: "set data.overlong=drop or data.overlong=truncate"))
  }

  @Test(arguments: ["question", "answer"])
  func trainingExampleOfEightMegabytesIsRefusedByItsLength(_ key: String) throws {
    let workspace = try Workspace()
    let text = String(repeating: "1234567 ", count: 1 << 20)
    let isQuestion = key == "question"
    try workspace.write(
      "data/train.jsonl",
      TinyInputs.problem(isQuestion ? text : "Two?", (isQuestion ? "" : text + "\\n") + "#### 1"))
    let result = try refusal(workspace, "train", "run.yaml", "--dry-run")
    #expect(result.status == 65)
    #expect(result.errors.hasPrefix("error: data/train.jsonl:1: the example has at least "))
    #expect(
      try refusal(workspace, "train", "run.yaml", "data.overlong=drop", "--dry-run")
        == .refusal(65, "data/train.jsonl: no example is left to train on; all 1 were dropped"))
  }

  @Test func lengthPastThePositionsIsSaidInPlanAndLog() throws {
    let line = "length      train.max_length = 128 is more than max_position_embeddings = 60, which bounds it"
    let workspace = try withPositions(60)
    #expect(try workspace.run("train", "run.yaml", "--dry-run").output.contains("\n\(line)\n"))
    #expect(try workspace.run("train", "run.yaml", "--quiet").status == 0)
    #expect(try workspace.text("runs/run/train.log").contains("\n\(line)\n"))
  }
}
