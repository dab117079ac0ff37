import Files
import Foundation
import Testing
import FineTuning

/// Runs on a GPU from configuration to files: what they write, and what happens to it when the GPU fails.
@Suite struct DeviceRunTests {
  private let gpu: SteeredGPU
  private let workspace: Workspace

  init() throws {
    gpu = try SteeredGPU.shared.get()
    workspace = try Workspace()
  }

  private func train(_ overrides: String..., environment: [String: String] = [:]) throws -> CommandResult {
    try workspace.run(["train", "run.yaml"] + overrides, environment: environment)
  }

  private func trainOnGPU(_ overrides: String..., environment: [String: String] = [:]) throws -> CommandResult
  {
    try workspace.run(["train", "run.yaml"] + gpu.overrides + overrides, environment: environment)
  }

  private func losses(_ run: String) throws -> [Double] {
    try workspace.objects("\(run)/metrics.jsonl").compactMap { $0["loss"]?.doubleValue }
  }

  // MARK: - Merged micro-batches

  @Test(arguments: ["full", "lora"])
  func mergedMicroBatchesFollowThoseOfTheCPU(_ method: String) throws {
    let settings = ["method=\(method)", "model.precision=float32"]
    let result = try trainOnGPU(settings[0], settings[1], "run.directory=a")
    #expect(result.status == 0 && result.errors.contains("\nbatches     2 micro-batches merged into 1\n"))
    let apart = try train(settings[0], settings[1], "run.directory=b")
    #expect(apart.status == 0 && !apart.errors.contains("\nbatches"))
    // float32 sums in another order.
    #expect(largestRelativeDifference(try losses("a"), try losses("b")) < 1e-4)
    #expect(try workspace.objects("a/metrics.jsonl").map { $0["samples"]?.intValue } == [2, 2, 2])
  }

  @Test func dropoutDrawsTheMasksOfTheCPU() throws {
    let settings = ["method=lora", "lora.dropout=0.5", "model.precision=float32"]
    let result = try trainOnGPU(settings[0], settings[1], settings[2], "run.directory=a")
    #expect(
      result.errors.contains("\nbatches     not merged: lora.dropout draws a mask for each micro-batch\n"))
    #expect(
      try train(settings[0], settings[1], settings[2], "run.directory=b", "--quiet").status == 0)
    // Another mask changes the loss by more than 1e-3.
    #expect(largestRelativeDifference(try losses("a"), try losses("b")) < 1e-4)
  }

  @Test func mergedMicroBatchesAreTheSameBatchOnTheCPU() throws {
    let reference = try TrainingReference("gemma3", .full)
    #expect(reference.configuration.train.gradientAccumulationSteps > 1)
    let apart = try trained("gemma3", reference.examples, reference.configuration)
    let merged = try trained("gemma3", reference.examples, reference.configuration, mergedMicroBatches: 2)
    #expect(largestRelativeDifference(merged.steps.map(\.loss), apart.steps.map(\.loss)) < 1e-4)
    #expect(merged.steps.map(\.loss) != apart.steps.map(\.loss))
    #expect(merged.steps.map(\.tokens) == apart.steps.map(\.tokens))
  }

  /// Gradients of the MLPs' maps, large enough with 131,072 elements, in steps of one micro-batch.
  @Test func bfloat16GradientsFollowTheCPUs() throws {
    try workspace.write("model/config.json", TinyInputs.widerModel)
    let settings = ["train.gradient_accumulation_steps=1", "train.per_device_batch_size=2"]
    #expect(try trainOnGPU(settings[0], settings[1], "run.directory=a", "--quiet").status == 0)
    #expect(try train(settings[0], settings[1], "run.directory=b", "--quiet").status == 0)
    let (gpu, cpu) = (try losses("a"), try losses("b"))
    // Sums in another order sometimes round the other way, by a 256th. A rate of 1e-2 moves losses by tenths.
    #expect(cpu.count == 3 && largestRelativeDifference(gpu, cpu) < 5e-3)
    #expect(abs(cpu[2] - cpu[0]) > 0.1)
  }

  // MARK: - Memory

  @Test func peakMemoryIsTheDevices() throws {
    let result = try trainOnGPU()
    let peaks = try workspace.objects("runs/run/metrics.jsonl").compactMap {
      $0["peak_memory_bytes"]?.intValue
    }
    // The workspace of 32 MiB and little else. Processes need about the same, but not to the byte.
    #expect(peaks.count == 3 && peaks.allSatisfy { $0 > 33_554_432 && $0 < 34_200_000 })
    #expect(result.errors.contains(", peak device memory 3"))
    #expect(try train("run.directory=b").errors.contains(", peak memory "))
  }

  @Test func factsSayThatItWasADevice() throws {
    #expect(try trainOnGPU("--quiet").status == 0)
    let facts = try RunFacts(contentsOf: "\(workspace.path)/runs/run/final")
    #expect(facts.place == .device && facts.kernels.hasPrefix("Simulated GPU (sm_90, "))
  }

  @Test(arguments: ["full", "lora"], [true, false])
  func predictedMemoryIsWithinATenthOfWhatIsUsed(_ method: String, _ checkpointing: Bool) throws {
    // In this model activations count and maps have bf16 gradients. All examples have the longest one's
    // length.
    try workspace.write("model/config.json", TinyInputs.widerModel)
    try workspace.write(
      "data/train.jsonl", (0..<16).map { _ in TinyInputs.problem("Ann has 20 figs.", "#### 20") }.joined())
    let result = try trainOnGPU(
      "method=\(method)", "train.gradient_checkpointing=\(checkpointing)", "train.per_device_batch_size=16",
      "train.gradient_accumulation_steps=1", "train.max_steps=1", "train.warmup_ratio=0.0")
    #expect(result.status == 0)
    let line = try wanted(workspace.objects("runs/run/metrics.jsonl").first)
    let used = Double(try wanted(line["peak_memory_bytes"]?.intValue)) - 33_554_432
    let parts = try wanted(result.errors.split(separator: "\n").first { $0.hasPrefix("memory ") })
    let predicted = parts.split(separator: "(").last.map(Self.bytes) ?? 0
    #expect(abs(predicted / used - 1) < 0.1, "\(predicted) predicted, \(used) used")
  }

  /// The sum of "weights 1.2 MB, gradients 3.4 kB, …" without the workspace.
  private static func bytes(_ parts: Substring) -> Double {
    parts.dropLast().split(separator: ", ").filter { !$0.hasPrefix("workspace") }.reduce(0) { sum, part in
      let words = part.split(separator: " ")
      let unit = words[2] == "MB" ? 1e6 : 1e3
      return sum + (Double(words[1]) ?? .nan) * unit
    }
  }

  // MARK: - Failures

  private static let lost =
    "cuda: the device is lost: cuEventSynchronize gave CUDA_ERROR_ILLEGAL_ADDRESS (700), "
    + "an illegal memory access was encountered"
  private static let hint =
    "what was written before it is intact; nvidia-smi shows whether the device works again"

  @Test func deviceLostWithinARunLeavesWhatWasWritten() throws {
    #expect(try trainOnGPU("--quiet", "run.directory=whole").status == 0)
    // A step waits for three results.
    let result = try trainOnGPU("--quiet", environment: ["GPU_WAITS": "7"])
    #expect(result == .refusal(69, "step 2: \(Self.lost)", hint: Self.hint))
    #expect(try losses("runs/run") == losses("whole").prefix(1).map { $0 })
    #expect(!workspace.contents.contains { $0.hasPrefix("runs/run/final") })
    // Nobody holds the folder any more: another run is refused only for the folder's content.
    #expect(try train("--quiet").errors.hasPrefix("error: runs/run: a run is there already"))
  }

  @Test func deviceLostBeforeTheFirstResultNamesStep1() throws {
    let result = try trainOnGPU("--quiet", environment: ["GPU_WAITS": "0"])
    #expect(result == .refusal(69, "step 1: \(Self.lost)", hint: Self.hint))
    #expect(try workspace.bytes("runs/run/metrics.jsonl").isEmpty)
  }

  @Test func weightsThatCannotBeHadAreNotWritten() throws {
    // The first wait after the three steps, which is for the finished weights.
    let result = try trainOnGPU("--quiet", environment: ["GPU_WAITS": "20"])
    let lost = Self.lost.replacing("cuEventSynchronize", with: "cuStreamSynchronize")
    #expect(result == .refusal(69, "finished weights: \(lost)", hint: Self.hint))
    #expect(try losses("runs/run").count == 3 && !workspace.contents.contains("runs/run/final"))
  }

  @Test func deviceLostWithinAnEvaluationWritesNothing() throws {
    #expect(try train("--quiet").status == 0)
    let result = try workspace.run(
      ["eval", "run.yaml", "--quiet"] + gpu.overrides, environment: ["GPU_WAITS": "3"])
    let lost = Self.lost.replacing("cuEventSynchronize", with: "cuStreamSynchronize")
    #expect(result == .refusal(69, "answering: \(lost)", hint: Self.hint))
    #expect(!workspace.contents.contains { $0.hasPrefix("runs/run/evaluation") })
  }

  @Test func missingMemoryNamesThePartAndASetting() throws {
    try workspace.write("model/config.json", TinyInputs.widerModel)
    var seen: [String: String] = [:]
    for allocations in 1... {
      let result = try trainOnGPU(
        "--quiet", "train.gradient_checkpointing=false", "train.per_device_batch_size=2",
        environment: ["GPU_ALLOCATIONS": "\(allocations)"])
      if result.status == 0 { break }
      #expect(result.status == 69)
      let lines = result.errors.split(separator: "\n").map(String.init)
      let place = try wanted(lines[0].firstRange(of: ": cuda: out of device memory: "))
      seen[String(lines[0][..<place.lowerBound].dropFirst("error: ".count))] = lines[1]
      #expect(lines.count == 2 && lines[0].hasSuffix(" of 8.59 GB are free"))
      try? FileManager.default.removeItem(atPath: "\(workspace.path)/runs")
    }
    let others = "or end other programs that use the device"
    #expect(
      seen == [
        "weights": "hint: end other programs that use the device",
        "gradients": "hint: set method=lora, \(others)",
        "optimizer": "hint: set optimizer.low_precision_update=stochastic or method=lora, \(others)",
        "step 1: activations":
          "hint: set train.gradient_checkpointing=true or a smaller train.per_device_batch_size, \(others)",
      ])
  }

  @Test func missingMemoryOfAnEvaluationNamesItsBatch() throws {
    #expect(try train("--quiet").status == 0)
    let result = try workspace.run(
      ["eval", "run.yaml", "--quiet", "evaluation.max_new_tokens=200000"] + gpu.overrides,
      environment: ["GPU_ALLOCATIONS": "2"])
    #expect(
      result.errors.hasPrefix(
        "error: answering: keys, values and activations: cuda: out of device memory: 6.4 MB more are needed, "
      ))
    #expect(
      result.errors.hasSuffix(
        "\nhint: set a smaller evaluation.batch_size or a smaller evaluation.max_new_tokens, or end other programs "
          + "that use the device\n"))
    #expect(result.status == 69)
  }
}

extension TinyInputs {
  /// Four layers, each eight times as wide.
  static let widerModel = modelConfiguration.replacing("\"hidden_size\": 16", with: "\"hidden_size\": 128")
    .replacing("\"intermediate_size\": 32", with: "\"intermediate_size\": 1024")
    .replacing("\"num_hidden_layers\": 2", with: "\"num_hidden_layers\": 4")
    .replacing("\"num_attention_heads\": 2", with: "\"num_attention_heads\": 4")
    .replacing("\"head_dim\": 8", with: "\"head_dim\": 32")
    .replacing(
      "[\"sliding_attention\", \"full_attention\"]",
      with: "[\"sliding_attention\", \"sliding_attention\", \"sliding_attention\", \"full_attention\"]")
}
