import Files
import Foundation
import Testing

/// Bad input of `gemmatune train`: one error line with file and place, the right status, no file written.
@Suite struct RefusedInputTests {
  /// Runs `train run.yaml` with `overrides` after `prepare`, and again as a dry run, which must give the same
  /// result. No file may change.
  private func refusal(
    _ overrides: [String] = [], _ prepare: (Workspace) throws -> Void = { _ in }
  ) throws -> CommandResult {
    let workspace = try Workspace()
    try prepare(workspace)
    let before = workspace.contents
    let result = try workspace.run(["train", "run.yaml"] + overrides)
    #expect(try workspace.run(["train", "run.yaml"] + overrides + ["--dry-run"]) == result)
    #expect(workspace.contents == before)
    return result
  }

  @Test func missingConfiguration() throws {
    let result = try refusal { try FileManager.default.removeItem(atPath: "\($0.path)/run.yaml") }
    #expect(result == .refusal(66, "run.yaml: no such file"))
  }

  @Test func unknownKey() throws {
    let result = try refusal { try $0.write("run.yaml", "method: full\ntrain:\n  epoch: 2\n") }
    #expect(result == .refusal(78, "run.yaml:3:3: unknown key 'epoch' in train; did you mean 'epochs'?"))
  }

  @Test func wrongType() throws {
    let result = try refusal { try $0.write("run.yaml", "method: full\ntrain:\n  epochs: two\n") }
    #expect(result == .refusal(78, "run.yaml:3:11: train.epochs: expected a number, got 'two'"))
  }

  @Test func severalProblemsAtOnce() throws {
    let result = try refusal { try $0.write("run.yaml", "methd: full\ntrain:\n  epochs: 0\n") }
    #expect(
      result
        == CommandResult(
          status: 78, output: "",
          errors: """
            error: run.yaml:1:1: unknown key 'methd'; did you mean 'method'?
            error: run.yaml:3:11: train.epochs: expected a number above 0, got 0

            """))
  }

  @Test func wrongOverride() throws {
    #expect(
      try refusal(["train.lerning_rate=1"])
        == .refusal(
          78,
          "command line: train.lerning_rate: unknown key 'lerning_rate' in train; did you mean 'learning_rate'?"
        ))
  }

  @Test func wordThatIsNoOverride() throws {
    #expect(try refusal(["fast"]) == .refusal(64, "command line: 'fast': expected key.path=value"))
  }

  @Test(arguments: [
    "train.save_steps=10", "train.keep_checkpoints=1", "logging.wandb=offline", "logging.tensorboard=true",
  ])
  func keyOfALaterVersion(_ override: String) throws {
    let key = override.prefix { $0 != "=" }
    #expect(
      try refusal([override])
        == .refusal(78, "command line: \(key): not supported by this build; leave it out"))
  }

  @Test func optionOfALaterVersion() throws {
    let result = try refusal(["--resume"])
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.errors.contains("Unknown option '--resume'"))
  }

  @Test func methodNone() throws {
    #expect(
      try refusal(["method=none"])
        == .refusal(
          78, "run.yaml: method: nothing to train, got none; expected full or lora",
          hint: "gemmatune eval evaluates the untouched base model"))
  }

  @Test func missingModel() throws {
    #expect(
      try refusal(["model.path=nowhere"])
        == .refusal(
          66, "nowhere: no such folder; expected a model", hint: "scripts/fetch_gemma.sh fetches a model"))
  }

  @Test func modelThatIsAFile() throws {
    #expect(
      try refusal(["model.path=run.yaml"])
        == .refusal(
          66, "run.yaml: not a folder; expected a model", hint: "scripts/fetch_gemma.sh fetches a model"))
  }

  @Test(arguments: [
    ("model.path=~/gemma", "~/gemma: no such folder; expected a model"),
    ("data.path=~/gsm8k", "~/gsm8k/train.jsonl: no such file"),
    ("lora.initialize_from=~/run/final", "~/run/final: no such folder; expected an adapter"),
  ])
  func pathThatNoShellExpanded(_ override: String, _ message: String) throws {
    #expect(
      try refusal(["method=lora", override])
        == .refusal(66, message, hint: "only the shell expands ~; write the whole path"))
  }

  @Test func missingTokenizer() throws {
    let result = try refusal {
      try FileManager.default.removeItem(atPath: "\($0.path)/model/tokenizer.model")
    }
    #expect(result == .refusal(66, "model/tokenizer.model: no such file"))
  }

  @Test func modelOfAnotherArchitecture() throws {
    let result = try refusal {
      let text = try $0.text("model/config.json")
      try $0.write("model/config.json", text.replacingOccurrences(of: "gemma3_text", with: "llama"))
    }
    #expect(
      result
        == .refusal(
          65,
          "model/config.json: model_type: not a Gemma 1-3 text model, got \"llama\"; expected gemma, gemma2 or gemma3_text"
        ))
  }

  @Test func vocabularyBeyondTheEmbedding() throws {
    let result = try refusal {
      let text = try $0.text("model/config.json")
      try $0.write(
        "model/config.json", text.replacingOccurrences(of: "\"vocab_size\": 512", with: "\"vocab_size\": 500")
      )
    }
    #expect(
      result
        == .refusal(65, "model/tokenizer.model: piece 500 \"z\": the model's embedding has only 500 rows"))
  }

  @Test func missingWeights() throws {
    #expect(
      try refusal(["model.initialize=pretrained"])
        == .refusal(
          66, "model: no weights; expected model.safetensors or model.safetensors.index.json",
          hint: "scripts/fetch_gemma.sh fetches a model"))
  }

  @Test func weightsThatLackATensor() throws {
    let result = try refusal(["model.initialize=pretrained"]) {
      try Safetensors.changed("model.norm.weight", to: nil, in: $0)
    }
    #expect(
      result
        == .refusal(
          65, "model/model.safetensors: model.norm.weight: missing; config.json demands shape [16]"))
  }

  @Test func weightsOfAnotherShape() throws {
    let result = try refusal(["model.initialize=pretrained"]) {
      try Safetensors.changed("model.norm.weight", to: "[2,8]", in: $0)
    }
    #expect(
      result
        == .refusal(
          65, "model/model.safetensors: model.norm.weight: shape [2, 8]; config.json demands [16]"))
  }

  @Test func weightsThatAreCutShort() throws {
    let result = try refusal(["model.initialize=pretrained"]) {
      try Safetensors.written(in: $0)
      let bytes = try $0.bytes("model/model.safetensors")
      try writeAtomically(bytes.dropLast(100), to: "\($0.path)/model/model.safetensors")
    }
    #expect(result.status == 65)
    #expect(result.errors.hasPrefix("error: model/model.safetensors: "))
    #expect(result.errors.hasSuffix("; the file is cut short\n"))
  }

  @Test func pickledWeights() throws {
    let result = try refusal(["model.initialize=pretrained"]) { try $0.write("model/pytorch_model.bin", "") }
    #expect(
      result
        == .refusal(
          66, "model: no weights; expected model.safetensors or model.safetensors.index.json",
          hint: "pickled weights are not read; load the folder in transformers and write it again with "
            + "save_pretrained"))
  }

  @Test func indexThatLeadsOutOfTheFolder() throws {
    let result = try refusal(["model.initialize=pretrained"]) {
      try $0.write(
        "model/model.safetensors.index.json",
        #"{"weight_map": {"model.norm.weight": "../other.safetensors"}}"#)
    }
    #expect(
      result
        == .refusal(
          65,
          "model/model.safetensors.index.json: model.norm.weight: got \"../other.safetensors\"; "
            + "expected the plain name of a .safetensors file in the same folder"))
  }

  @Test func paddingThatTheExamplesHold() throws {
    let result = try refusal {
      let text = try $0.text("model/config.json")
      let changed = text.replacingOccurrences(of: "\"pad_token_id\": 0", with: "\"pad_token_id\": 2")
      try $0.write("model/config.json", changed)
    }
    #expect(
      result
        == .refusal(
          65,
          "model/config.json: pad_token_id: got 2, which the training examples hold; "
            + "expected a token that no text becomes"))
  }

  @Test func missingData() throws {
    #expect(
      try refusal(["data.path=nowhere"])
        == .refusal(
          66, "nowhere/train.jsonl: no such file",
          hint: "scripts/fetch_gsm8k.sh fetches GSM8K into data/gsm8k."))
  }

  @Test func missingVariant() throws {
    #expect(
      try refusal(["data.variant=socratic"])
        == .refusal(
          66, "data/train_socratic.jsonl: no such file",
          hint: "scripts/fetch_gsm8k.sh fetches GSM8K into data/gsm8k."))
  }

  @Test func emptySplit() throws {
    #expect(
      try refusal { try $0.write("data/train.jsonl", "") } == .refusal(65, "data/train.jsonl: no examples"))
  }

  static let badLines: [(line: String, message: String)] = [
    ("[1]\n", "got [1]; expected an object"),
    ("{\"question\": \"a\"}\n", "answer: missing; expected text"),
    ("{\"question\": 5, \"answer\": \"#### 1\"}\n", "question: got 5; expected text"),
    ("{\"question\": \"a\", \"answer\": null}\n", "answer: got null; expected text"),
    ("\n", "blank line; expected one JSON object a line"),
    (
      TinyInputs.problem("a", "so 12 eggs"),
      "'answer' does not end in its only '#### NUMBER' line, got \"so 12 eggs\""
    ),
  ]

  @Test(arguments: badLines)
  func lineThatIsNoExample(_ line: String, _ message: String) throws {
    let result = try refusal { try $0.write("data/train.jsonl", TinyInputs.problems(1) + line) }
    #expect(result == .refusal(65, "data/train.jsonl:2: \(message)"))
  }

  @Test func lineThatIsNoJSON() throws {
    let result = try refusal {
      try $0.write("data/train.jsonl", TinyInputs.problems(1) + "{\"question\": \n")
    }
    #expect(result.status == 65 && result.errors.hasPrefix("error: data/train.jsonl:2:14: "))
    #expect(result.errors.split(separator: "\n").count == 1)
  }

  @Test func exampleOverTheLengthLimit() throws {
    #expect(
      try refusal(["train.max_length=51"])
        == .refusal(
          65, "data/train.jsonl:1: the example has 52 tokens; expected at most train.max_length = 51",
          hint: "set data.overlong=drop or data.overlong=truncate, or raise train.max_length"))
  }

  @Test func everyExampleOverTheLengthLimit() throws {
    #expect(
      try refusal(["train.max_length=51", "data.overlong=drop"])
        == .refusal(65, "data/train.jsonl: no example is left to train on; all 6 were dropped"))
  }

  @Test func truncationThatLeavesNoTarget() throws {
    #expect(
      try refusal(["train.max_length=30", "data.overlong=truncate"])
        == .refusal(
          65, "data/train.jsonl:1: the example has no target tokens within train.max_length = 30",
          hint: "raise train.max_length, or set data.overlong=drop"))
  }

  @Test func chatTemplateWithoutTurnPieces() throws {
    let result = try refusal(["prompt.template=chat"]) {
      // Changing the name of a piece in place keeps the file's structure.
      let bytes = try $0.bytes("model/tokenizer.model")
      let name = Array("<end_of_turn>".utf8)
      let start = try wanted(bytes.indices.first { bytes[$0...].starts(with: name) })
      var changed = bytes
      changed[start + 1] = UInt8(ascii: "x")
      try writeAtomically(changed, to: "\($0.path)/model/tokenizer.model")
    }
    #expect(
      result
        == .refusal(
          65, "model/tokenizer.model: piece <end_of_turn>: missing; expected a vocabulary with Gemma's turns")
    )
  }

  @Test func adapterOfAnotherRank() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml", "method=lora", "lora.rank=2").status == 0)
    let before = workspace.contents
    for option in [[], ["--dry-run"]] {
      let result = try workspace.run(
        ["train", "run.yaml", "method=lora", "lora.initialize_from=runs/run/final", "run.directory=runs/b"]
          + option)
      #expect(
        result
          == .refusal(
            78, "runs/run/final: the adapter's rank is 2, got lora.rank = 16",
            hint: "an adapter goes on as it was begun: set lora.rank=2"))
    }
    #expect(workspace.contents == before)
  }

  @Test func missingAdapter() throws {
    #expect(
      try refusal(["method=lora", "lora.initialize_from=nowhere"])
        == .refusal(66, "nowhere: no such folder; expected an adapter"))
  }
}

/// Weights for the workspace's model.
enum Safetensors {
  /// Writes a complete `model/model.safetensors`.
  static func written(in workspace: Workspace) throws {
    #expect(try workspace.run("train", "run.yaml", "run.directory=base", "--quiet").status == 0)
    let weights = "model.safetensors"
    try FileManager.default.moveItem(
      atPath: "\(workspace.path)/base/final/\(weights)", toPath: "\(workspace.path)/model/\(weights)")
    try FileManager.default.removeItem(atPath: "\(workspace.path)/base")
  }

  /// Writes a `model/model.safetensors` in which one tensor's header entry has another shape, or is missing.
  static func changed(_ tensor: String, to shape: String?, in workspace: Workspace) throws {
    #expect(try workspace.run("train", "run.yaml", "run.directory=base", "--quiet").status == 0)
    let bytes = try workspace.bytes("base/final/model.safetensors")
    try FileManager.default.removeItem(atPath: "\(workspace.path)/base")
    let headerEnd = 8 + bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    var header = String(decoding: bytes[8..<headerEnd], as: UTF8.self)
    let entry = "\"\(tensor)\":{\"dtype\":\"BF16\",\"shape\":[16]"
    #expect(header.contains(entry))
    header = header.replacingOccurrences(
      of: entry,
      with: "\"\(shape == nil ? "other" : tensor)\":{\"dtype\":\"BF16\",\"shape\":\(shape ?? "[16]")")
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    try writeAtomically(
      length + Array(header.utf8) + bytes[headerEnd...], to: "\(workspace.path)/model/model.safetensors")
  }
}
