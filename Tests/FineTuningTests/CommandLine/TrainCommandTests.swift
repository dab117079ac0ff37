import Files
import Testing
import FineTuning

@Suite struct TrainCommandTests {
  @Test func fullTrainingWritesTheFilesOfARun() throws {
    let workspace = try Workspace()
    let before = workspace.contents
    let result = try workspace.run("train", "run.yaml")
    #expect(result.status == 0)
    #expect(
      workspace.contents.filter { !before.contains($0) } == [
        "runs", "runs/run", "runs/run/config.yaml", "runs/run/final", "runs/run/final/config.json",
        "runs/run/final/gemmatune.json", "runs/run/final/model.safetensors", "runs/run/final/tokenizer.model",
        "runs/run/metrics.h5", "runs/run/metrics.jsonl", "runs/run/train.log",
      ])
  }

  @Test func loraTrainingWritesAnAdapter() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml", "method=lora", "lora.rank=2").status == 0)
    #expect(
      workspace.contents.filter { $0.hasPrefix("runs/run/final/") } == [
        "runs/run/final/adapter_config.json", "runs/run/final/adapter_model.safetensors",
        "runs/run/final/gemmatune.json",
      ])
    let settings = try workspace.object("runs/run/final/adapter_config.json")
    #expect(settings["r"]?.intValue == 2)
    #expect(settings["base_model_name_or_path"]?.stringValue == absolutePath("\(workspace.path)/model"))
  }

  @Test func resultIsTheFolderOfTheWeightsAndTheRestGoesToStandardError() throws {
    let workspace = try Workspace()
    let result = try workspace.run("train", "run.yaml")
    #expect(result.output == "runs/run/final\n")
    let lines = result.errors.split(separator: "\n").map(String.init)
    let facts = try RunFacts(contentsOf: "\(workspace.path)/runs/run/final")
    #expect(lines[0] == "training on \(facts.kernels)" && facts.kernels.hasSuffix(", 1 thread"))
    #expect(lines[1].hasPrefix("OpenBLAS kernels: "))
    #expect(lines[2] == "run run, method full, model model")
    #expect(lines.count { $0.hasPrefix("step ") && $0.contains("/3  loss ") } == 3)
    #expect(lines[lines.count - 1].hasPrefix("done: 3 steps in "))
    #expect(!result.errors.contains("\u{1B}"))
  }

  @Test func quietTrainingSaysNothing() throws {
    let workspace = try Workspace()
    #expect(
      try workspace.run("train", "run.yaml", "--quiet")
        == CommandResult(status: 0, output: "runs/run/final\n", errors: ""))
    #expect(try workspace.text("runs/run/train.log").contains("\ndone: 3 steps in "))
  }

  @Test func progressLineComesAtTheLoggingInterval() throws {
    let result = try Workspace().run("train", "run.yaml", "logging.steps=2")
    let steps = result.errors.split(separator: "\n").filter { $0.hasPrefix("step ") }
    #expect(steps.map { $0.prefix(8) } == ["step 2/3", "step 3/3"])
  }

  @Test func metricsHoldOneLineAStep() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml").status == 0)
    let rows = try workspace.objects("runs/run/metrics.jsonl")
    #expect(rows.map { $0["step"]?.intValue } == [1, 2, 3])
    #expect(rows.map { $0["samples"]?.intValue } == [2, 2, 2])
    #expect(rows[2]["epoch"]?.doubleValue == 1)
    let losses = rows.compactMap { $0["loss"]?.doubleValue }
    // Before the first step a random model guesses: log 512 = 6.24 nats, except for the weights' spread.
    #expect(losses.count == 3 && abs(losses[0] - 6.24) < 1)
  }

  @Test func savedConfigurationSaysTheSame() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml", "train.epochs=2", "run.seed=5").status == 0)
    let folder = "\(workspace.path)/runs/run"
    let given = try RunConfiguration.load(
      path: "\(workspace.path)/run.yaml",
      overrides: ["train.epochs=2", "run.seed=5", "run.directory=\(folder)"])
    #expect(try RunConfiguration.load(savedIn: folder) == given)
  }

  @Test func epochsAfterTheLastStepAreNotWalked() throws {
    let workspace = try Workspace()
    let result = try workspace.run("train", "run.yaml", "train.epochs=2147483647", "train.max_steps=2")
    #expect(result.status == 0)
    #expect(try workspace.objects("runs/run/metrics.jsonl").count == 2)
  }

  @Test func halfAnEpochEndsInTheMiddleOfTheData() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml", "train.epochs=1.5", "--quiet").status == 0)
    let epochs = try workspace.objects("runs/run/metrics.jsonl").compactMap { $0["epoch"]?.doubleValue }
    // 6 examples, 2 a step: an epoch has 3 steps, and one and a half epochs have 4.5, so 5.
    let third = 1.0 / 3, two = 2.0 / 3
    #expect(epochs == [third, two, 1, 1 + third, 1 + two])
  }

  @Test func largestSeedStandsInConfigurationAndReport() throws {
    let workspace = try Workspace()
    let seed = "18446744073709551615"
    #expect(try workspace.run("train", "run.yaml", "run.seed=\(seed)", "--quiet").status == 0)
    #expect(try workspace.text("runs/run/config.yaml").contains("\n  seed: \(seed)\n"))
    #expect(try workspace.run("report", "runs/run", "--output", "report").status == 0)
    #expect(try workspace.text("report/summary.json").contains("\"seed\": \"\(seed)\""))
  }

  @Test func dryRunWritesNothing() throws {
    let workspace = try Workspace()
    let before = workspace.contents
    let result = try workspace.run("train", "run.yaml", "--dry-run")
    #expect(result.status == 0 && result.errors.isEmpty)
    #expect(workspace.contents == before)
  }

  @Test func dryRunPrintsTheConfigurationAndThePlan() throws {
    let workspace = try Workspace()
    let result = try workspace.run("train", "run.yaml", "--dry-run")
    let configuration = try RunConfiguration.load(path: "\(workspace.path)/run.yaml")
    let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count > 3 && lines[lines.count - 3].hasPrefix("device      CPU: "))
    #expect(lines[lines.count - 2].hasPrefix("            OpenBLAS kernels: "))
    #expect(
      lines.dropLast(3).joined(separator: "\n") == configuration.resolvedYAML() + """

        examples    6 (0 dropped, 0 truncated), longest 52 tokens
        tokens      312 an epoch, 132 of them targets
        steps       3, the first 1 warming up
        parameters  12976, trainable 12976 (100.0000 %)
        memory      28.4 MB at the peak (weights 26.0 kB, gradients 51.9 kB, optimizer 155.7 kB, \
        activations 79.9 kB, vocabulary 45.1 kB, program 28.0 MB)
        """)
  }

  @Test func dryRunReadsTheHeadersOfWeightsAlone() throws {
    let workspace = try Workspace()
    try Safetensors.written(in: workspace)
    // The last two elements are NaN, which only reading the weights shows.
    let bytes = try workspace.bytes("model/model.safetensors")
    try writeAtomically(
      bytes.dropLast(4) + [0xFF, 0xFF, 0xFF, 0xFF], to: "\(workspace.path)/model/model.safetensors")
    let command = ["train", "run.yaml", "model.initialize=pretrained"]
    let planned = try workspace.run(command + ["--dry-run"])
    #expect(planned.status == 0 && planned.errors.isEmpty)
    #expect(try workspace.run(command).status == 65)
  }

  @Test(arguments: ["full", "lora"])
  func sameSeedGivesTheSameBytes(_ method: String) throws {
    let workspace = try Workspace()
    let weights = method == "full" ? "model.safetensors" : "adapter_model.safetensors"
    for (name, threads) in [("a", 1), ("b", 1), ("c", 2)] {
      let result = try workspace.run(
        "train", "run.yaml", "method=\(method)", "run.name=\(name)", "run.directory=\(name)",
        "threads=\(threads)")
      #expect(result.status == 0)
    }
    let expected = try workspace.bytes("a/final/\(weights)")
    #expect(try workspace.bytes("b/final/\(weights)") == expected)
    #expect(try workspace.bytes("c/final/\(weights)") == expected)
    #expect(try metrics(workspace, "b") == metrics(workspace, "a"))
    #expect(try metrics(workspace, "c") == metrics(workspace, "a"))
  }

  @Test func anotherSeedGivesOtherBytes() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml", "run.directory=a").status == 0)
    #expect(try workspace.run("train", "run.yaml", "run.directory=b", "run.seed=43").status == 0)
    #expect(try workspace.bytes("a/final/model.safetensors") != workspace.bytes("b/final/model.safetensors"))
  }

  /// The metrics of a run, except for those that depend on the clock or the system.
  private func metrics(_ workspace: Workspace, _ run: String) throws -> [JSONObject] {
    let measured = [
      "step_seconds", "samples_per_second", "tokens_per_second", "peak_memory_bytes",
    ]
    return try workspace.objects("\(run)/metrics.jsonl").map { row in
      var kept = JSONObject()
      for (key, value) in row.members where !measured.contains(key) { kept[key] = value }
      return kept
    }
  }

  @Test func adapterGoesOnFromASavedOne() throws {
    let workspace = try Workspace()
    #expect(
      try workspace.run("train", "run.yaml", "method=lora", "run.directory=a", "lora.rank=2").status == 0)
    // At a rate of almost zero the second run ends where it began, at the first run's adapter.
    let result = try workspace.run(
      "train", "run.yaml", "method=lora", "run.directory=b", "lora.rank=2", "lora.initialize_from=a/final",
      "train.learning_rate=1e-30", "train.min_learning_rate=0.0")
    #expect(result.status == 0)
    #expect(
      try workspace.bytes("b/final/adapter_model.safetensors")
        == workspace.bytes("a/final/adapter_model.safetensors"))
  }
}
