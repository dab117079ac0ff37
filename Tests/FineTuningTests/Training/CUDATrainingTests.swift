import Files
import Gemma
import SimulatedGPUTesting
import Tensors
import Testing
import FineTuning

/// Training and decoding through the whole GPU code, on the simulated GPU.
@Suite(.serialized) struct CUDATrainingTests {
  private let gpu: CUDAKernels

  // The suite is serialized: its tests run one after another.
  nonisolated(unsafe) private static let shared = Result { try SimulatedKernels() }

  init() throws { gpu = try Self.shared.get().onThisThread().kernels }

  private func reference(_ family: String, _ method: RunConfiguration.Method, steps: Int) throws
    -> TrainingReference
  {
    var reference = try TrainingReference(family, method)
    reference.configuration.train.maxSteps = steps
    return reference
  }

  @Test(arguments: families, [RunConfiguration.Method.full, .lora])
  func tenStepsFollowTheHuggingFaceTrainer(family: String, method: RunConfiguration.Method) throws {
    // The schedule is that of all steps. The observer ends the run early.
    let reference = try TrainingReference(family, method)
    struct Enough: Error {}
    var steps: [StepMetrics] = []
    _ = #expect(throws: Enough.self) {
      try run(family, reference) { step in
        steps.append(step)
        if steps.count == 10 { throw Enough() }
      }
    }
    // Observed, like on the CPU: 3e-7 and 3e-5. The bar is 1e-4.
    #expect(largestRelativeDifference(steps.map(\.loss), Array(reference.losses.prefix(10))) < 1e-5)
    let norms = Array(reference.gradientNorms.prefix(10))
    #expect(largestRelativeDifference(steps.map(\.gradientNorm), norms) < 1e-4)
  }

  private func run(
    _ family: String, _ reference: TrainingReference, _ onStep: (StepMetrics) throws -> Void
  ) throws {
    let folder = "\(fixtures)/\(family)"
    var model = try GemmaModel(contentsOf: folder, precision: .float32)
    model.copyWeights(gpu)
    if reference.configuration.method == .lora {
      var adapter = try AdapterWeights(contentsOf: "\(folder)/lora", for: model.configuration)
      adapter.place(gpu)
      model.attach(adapter)
    }
    try Trainer(model, reference.examples, reference.configuration, gpu).run(onStep: onStep)
  }

  @Test(arguments: families, [RunConfiguration.Method.full, .lora])
  func bfloat16WithEightBitMomentsFollowsTheCPU(family: String, method: RunConfiguration.Method) throws {
    var reference = try reference(family, method, steps: 4)
    reference.configuration.model.precision = .bf16
    reference.configuration.optimizer.name = .adamw8bit
    let onCPU = try trained(family, reference.examples, reference.configuration)
    let onGPU = try trained(family, reference.examples, reference.configuration, gpu)
    // Sums in another order sometimes round the other way, by a 256th: up to 5.3e-3 over OpenBLAS's kernels
    // for five processors.
    let losses = largestRelativeDifference(onGPU.steps.map(\.loss), onCPU.steps.map(\.loss))
    #expect(losses < 8e-3)
    // The losses of four steps say little about the updates. The distance of the weights, relative to their
    // way, says more.
    reference.configuration.train.learningRate = 1e-30
    reference.configuration.train.minLearningRate = 0
    let start = try trained(family, reference.examples, reference.configuration)
    let way = distance(onCPU.parameters, start.parameters)
    // Up to 0.07 of the way is observed, due to rounding to bfloat16 and to 8-bit codes.
    #expect(distance(onGPU.parameters, onCPU.parameters) < way / 4)
    #expect(onGPU.parameters.map(\.name) == onCPU.parameters.map(\.name))
    #expect(onGPU.parameters.allSatisfy { $0.tensor.place == .host })
  }

  @Test(arguments: [false, true]) func theSameRunTwiceGivesTheSameBits(checkpointing: Bool) throws {
    var reference = try reference("gemma3", .full, steps: 2)
    reference.configuration.model.precision = .bf16
    reference.configuration.optimizer.name = .adamw8bit
    reference.configuration.train.gradientCheckpointing = checkpointing ? .always : .never
    let runs = try (0..<2).map { _ in
      try trained("gemma3", reference.examples, reference.configuration, gpu)
    }
    #expect(runs[0].steps.map(\.loss) == runs[1].steps.map(\.loss))
    for (first, second) in zip(runs[0].parameters, runs[1].parameters) {
      #expect(first.tensor.floats == second.tensor.floats, "\(first.name)")
    }
  }

  @Test func memoryIsGivenBackFromStepToStep() throws {
    let reference = try reference("gemma2", .lora, steps: 3)
    // The first run allocates what stays for the device's life, such as workspaces.
    try run("gemma2", reference) { _ in }
    var inUse: [Int] = []
    try run("gemma2", reference) { _ in inUse.append(gpu.memory.inUse) }
    // Two steps are queued when the first one's results are read. The last step is read with none behind it.
    #expect(inUse.count == 3 && inUse[0] == inUse[1])
    #expect(inUse[2] <= inUse[1])
  }

  /// Ten slots are padded to sixteen. Forward passes are recorded and replayed.
  @Test(arguments: families, [2, 10]) func greedyTokensAreTheCPUs(family: String, rows: Int) throws {
    let model = try GemmaModel(contentsOf: "\(fixtures)/\(family)", precision: .float32)
    var placed = model
    placed.placeWeights(gpu)
    let key = RandomKey(seed: 5, stream: 1)
    let prompts = (0..<12).map { row in
      [2] + (0...row).map { Int32(3 + key.below(200, at: UInt64(20 * row + $0))) }
    }
    func answers(_ model: GemmaModel, _ kernels: any Kernels) throws -> [[Int32]] {
      try GreedyDecoder(model, kernels, maxNewTokens: 6, stopIds: [], limits: DecodingLimits(rows: rows))
        .generate(Array(prompts.prefix(rows + 2))).map(\.tokens)
    }
    #expect(try answers(placed, gpu) == answers(model, CPUKernels(threads: 1)))
    try gpu.check()
  }

  @Test func lossThatIsNotANumberEndsTheRunAndLeavesTheWeights() throws {
    var reference = try reference("gemma", .full, steps: 4)
    reference.configuration.train.learningRate = 1e39
    reference.configuration.train.warmupRatio = 0
    let messages = faultMessages {
      _ = try trained("gemma", reference.examples, reference.configuration, gpu)
    }
    #expect(messages == ["step 2: the loss is not a number; training diverged"])
  }
}

/// Root of the sum of all squared differences.
private func distance(
  _ first: [(name: String, tensor: Tensor)], _ second: [(name: String, tensor: Tensor)]
) -> Double {
  zip(first, second).reduce(0) { sum, pair in
    zip(pair.0.tensor.floats, pair.1.tensor.floats).reduce(sum) {
      $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
    }
  }.squareRoot()
}
