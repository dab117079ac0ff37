import Files
import Foundation
import Testing

/// An adapter over another base model than it was trained on: refused, or evaluated with a note where that is
/// allowed.
@Suite struct OtherBaseTests {
  /// A workspace with stored base weights and an adapter trained on them.
  private func trained() throws -> Workspace {
    let workspace = try Workspace()
    try Safetensors.written(in: workspace)
    try workspace.write(
      "run.yaml",
      TinyInputs.runConfiguration.replacing("initialize: random", with: "initialize: pretrained")
        .replacing("method: full", with: "method: lora\nlora: {rank: 2, alpha: 4}"))
    #expect(try workspace.run("train", "run.yaml", "--quiet").status == 0)
    return workspace
  }

  /// Changes one element of a base tensor in place.
  private func changeBase(_ workspace: Workspace) throws {
    var bytes = try workspace.bytes("model/model.safetensors")
    bytes[bytes.count - 40] ^= 1
    try writeAtomically(bytes, to: "\(workspace.path)/model/model.safetensors")
  }

  private let hint = "--allow-other-base evaluates over this one all the same"

  /// The refusal of the base in `path`. `difference` says how it differs.
  private func refusal(_ path: String, folder: String = "runs/run/final", hint: String) -> CommandResult {
    .refusal(
      65,
      "\(folder)/gemmatune.json: base_fingerprint: the adapter was trained on model, got \(path); "
        + "expected that base model", hint: hint)
  }

  @Test func fingerprintIsStoredWithTheAdapter() throws {
    let workspace = try trained()
    let facts = try workspace.object("runs/run/final/gemmatune.json")
    let fingerprint = try wanted(facts["base_fingerprint"]?.stringValue)
    #expect(fingerprint.count == 64 && facts["base_model"]?.stringValue == "model")
    #expect(try workspace.run("eval", "run.yaml", "--quiet").status == 0)
  }

  @Test func adapterConfigurationNamesTheBaseByItsWholePath() throws {
    let workspace = try trained()
    let settings = try workspace.object("runs/run/final/adapter_config.json")
    #expect(settings["base_model_name_or_path"]?.stringValue == absolutePath("\(workspace.path)/model"))
  }

  @Test func baseInAnotherFolderIsTheSameWhereItsContentIs() throws {
    let workspace = try trained()
    try FileManager.default.moveItem(
      atPath: "\(workspace.path)/model", toPath: "\(workspace.path)/moved")
    let result = try workspace.run("eval", "run.yaml", "model.path=moved")
    #expect(result.status == 0 && !result.errors.contains("note:"))
    #expect(try workspace.object("runs/run/evaluation/summary.json")["other_base"] == nil)
  }

  @Test func baseInAnotherPathIsRefused() throws {
    let workspace = try trained()
    try FileManager.default.copyItem(
      atPath: "\(workspace.path)/model", toPath: "\(workspace.path)/other")
    try changeBase(workspace)
    try FileManager.default.moveItem(
      atPath: "\(workspace.path)/model", toPath: "\(workspace.path)/changed")
    try FileManager.default.moveItem(
      atPath: "\(workspace.path)/other", toPath: "\(workspace.path)/model")
    let before = workspace.contents
    #expect(
      try workspace.run("eval", "runs/run", "model.path=changed")
        == refusal("changed, another model", hint: hint))
    #expect(workspace.contents == before)
  }

  @Test func baseWithOtherContentIsRefused() throws {
    let workspace = try trained()
    try changeBase(workspace)
    #expect(
      try workspace.run("eval", "run.yaml")
        == refusal(
          "model with other content (its weights or its config.json have changed)", hint: hint))
  }

  @Test func baseWithAnotherConfigurationIsRefused() throws {
    let workspace = try trained()
    let text = try workspace.text("model/config.json")
    try workspace.write("model/config.json", text.replacing("10000.0", with: "20000.0"))
    let result = try workspace.run("eval", "runs/run", "model.path=./model")
    #expect(
      result
        == refusal(
          "./model with other content (its weights or its config.json have changed)", hint: hint))
  }

  @Test func baseOfOtherSizesIsRefusedAsAnotherBase() throws {
    let workspace = try trained()
    let text = try workspace.text("model/config.json")
    try FileManager.default.moveItem(
      atPath: "\(workspace.path)/model", toPath: "\(workspace.path)/old")
    try workspace.write(
      "model/config.json", text.replacing("\"hidden_size\": 16", with: "\"hidden_size\": 24"))
    try FileManager.default.copyItem(
      atPath: "\(workspace.path)/old/tokenizer.model", toPath: "\(workspace.path)/model/tokenizer.model")
    try workspace.write("full.yaml", TinyInputs.runConfiguration)
    #expect(try workspace.run("train", "full.yaml", "--quiet").status == 0)
    #expect(
      try workspace.run("eval", "run.yaml", "model.path=runs/full/final")
        == refusal("runs/full/final, another model", hint: hint))
  }

  @Test func randomBaseOfAnotherSeedIsRefused() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml", "method=lora", "--quiet").status == 0)
    #expect(try workspace.run("eval", "run.yaml", "method=lora", "--quiet").status == 0)
    let result = try workspace.run("eval", "run.yaml", "method=lora", "run.seed=7", "--quiet")
    #expect(
      result
        == refusal(
          "model with other content (its weights or its config.json have changed)", hint: hint))
  }

  @Test func otherBaseIsEvaluatedWhereItIsAllowedAndTheReportSaysSo() throws {
    let workspace = try trained()
    try changeBase(workspace)
    let result = try workspace.run("eval", "run.yaml", "--allow-other-base", "--quiet")
    #expect(result.status == 0)
    #expect(
      result.errors
        == "note: the adapter was trained on model, and is evaluated over model with other content "
        + "(its weights or its config.json have changed)\n")
    #expect(try workspace.object("runs/run/evaluation/summary.json")["other_base"] == .bool(true))
    #expect(try workspace.run("report", "runs/run", "--output", "report").status == 0)
    #expect(
      try workspace.object("report/summary.json")["notes"]?.arrayValue?.contains(
        .string("run was evaluated over model, another base model than it was trained on (model).")) == true)
  }

  @Test func oldAdapterIsEvaluatedWithANote() throws {
    let workspace = try trained()
    let file = "runs/run/final/gemmatune.json"
    var facts = try workspace.object(file)
    facts["base_fingerprint"] = nil
    try workspace.write(file, JSONValue.object(facts).text())
    let result = try workspace.run("eval", "run.yaml")
    #expect(result.status == 0)
    #expect(
      result.errors.contains(
        "note: runs/run/final does not record its base model (no base_fingerprint in gemmatune.json): "
          + "whether it is this one cannot be checked\n"))
  }

  @Test(arguments: ["full", "none"]) func nothingToAllowIsWrongUsage(_ method: String) throws {
    #expect(
      try Workspace().run("eval", "run.yaml", "method=\(method)", "--allow-other-base")
        == .refusal(
          64,
          "command line: --allow-other-base: nothing to allow, the method is \(method); "
            + "expected a run of method lora"))
  }

  @Test func savedAnswersHaveNoBaseToAllow() throws {
    let result = try Workspace().run(
      "eval", "--predictions", "p.jsonl", "--references", "data/test.jsonl", "--allow-other-base")
    #expect(
      result.status == 64 && result.errors.contains("--allow-other-base: saved answers have no base model"))
  }

  @Test(arguments: [[], ["--dry-run"]]) func adapterGoesOnOverItsOwnBaseAlone(_ option: [String]) throws {
    let workspace = try trained()
    try changeBase(workspace)
    let before = workspace.contents
    #expect(
      try workspace.run(
        ["train", "run.yaml", "lora.initialize_from=runs/run/final", "run.directory=runs/b"] + option)
        == refusal(
          "model with other content (its weights or its config.json have changed)",
          hint: "an adapter goes on over the base model that it was begun on"))
    #expect(workspace.contents == before)
  }

  @Test func adapterWithoutARecordGoesOnWithANote() throws {
    let workspace = try trained()
    try FileManager.default.removeItem(atPath: "\(workspace.path)/runs/run/final/gemmatune.json")
    let result = try workspace.run(
      "train", "run.yaml", "lora.initialize_from=runs/run/final", "run.directory=runs/b")
    #expect(result.status == 0)
    #expect(result.errors.contains("note: runs/run/final does not record its base model"))
    #expect(try workspace.text("runs/b/train.log").contains("note: runs/run/final does not record"))
  }

  @Test func badFingerprintIsNamed() throws {
    let workspace = try trained()
    let file = "runs/run/final/gemmatune.json"
    var facts = try workspace.object(file)
    facts["base_fingerprint"] = .string("abc")
    try workspace.write(file, JSONValue.object(facts).text())
    #expect(
      try workspace.run("eval", "run.yaml")
        == .refusal(65, #"\#(file): base_fingerprint: got "abc"; expected 64 lower-case hexadecimal digits"#))
  }
}
