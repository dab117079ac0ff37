import CUDARuntime
import Dispatch
import Files
import FoundationEssentials
import Gemma
import KernelCases
import Tensors

/// The measurements on the GPU that a process makes.
struct DeviceMeasurements {
  let kernels: CUDAKernels
  let workload: Workload
  let sizes: ModelConfiguration
  /// A model folder that gives the weights; nil for random weights.
  let folder: String?
  let isQuick: Bool

  private var timing: Timing {
    Timing(repeats: isQuick ? 1 : 3, span: isQuick ? 0 : 0.05) { try? kernels.synchronize() }
  }
  private var pool: RandomPool { RandomPool(kernels, count: isQuick ? 1 << 12 | 1 : 1 << 24 | 1) }

  /// The best rates that this program reaches on the GPU: of a matrix product, and of a copy in memory.
  func ceilings() throws -> [JSONObject] {
    let n = isQuick ? 64 : 8192
    let random = pool
    let (a, b) = (random.tensor([n, n], .bfloat16), random.tensor([n, n], .bfloat16))
    let c = kernels.uninitialized([n, n], .bfloat16)
    let product = timing.rate(
      "matrix product \(n) x \(n) x \(n), bf16", .gigaflops, amount: 2 * Double(n) * Double(n) * Double(n)
    ) { kernels.multiply(.stored(a), .transposed(b), scale: 1, .replacing, c) }
    // Far larger than any cache.
    let count = isQuick ? 1 << 12 : 1 << 31
    let (source, target) = (random.tensor([count], .bfloat16), random.tensor([count], .bfloat16))
    let copy = timing.rate(
      "copy of \(source.byteCount >> 20) MiB", .gigabytes, amount: 2 * Double(source.byteCount)
    ) { kernels.copy(source, to: target) }
    try kernels.check()
    return [product, copy]
  }

  /// Every operation at the study's shapes: 16 packed sequences of 190 tokens; decoding in 1 and 100 slots.
  func operations() throws -> [JSONObject] {
    let shapes =
      isQuick
      ? CaseSizes(sizes, sequences: 2, length: 5, decodingRows: [1, 3])
      : CaseSizes(sizes, sequences: 16, length: 190, decodingRows: [1, 100])
    let pool = pool
    let results = KernelCases(shapes).timed.compactMap { $0.rate(kernels, pool, timing) }
    try kernels.check()
    return results
  }

  /// Compares the CPU's and the GPU's kernels on the same inputs.
  func agreement() throws -> [JSONObject] {
    let reference = CPUKernels(threads: ProcessInfo.processInfo.activeProcessorCount)
    return try KernelCases(isQuick ? .quick : .usual).all.map { example in
      let error = try example.error(kernels, from: reference)
      // JSON has no infinity.
      return [
        "work": .string(example.name), "dtype": .string(example.dtype == .float32 ? "float32" : "bf16"),
        "error": .double(min(error, 1e9)),
      ]
    }
  }

  /// Training steps over all sequences of the workload. The first few do not count.
  func training(
    _ trained: TrainedParameters, merged: Bool, checkpointing: Bool, update: AdamW.LowPrecisionUpdate
  ) throws -> JSONObject {
    let training = TrainingStep(
      study: try model(writable: trained == .all), trained, kernels,
      microBatches: merged ? 1 : workload.passes, update: update)
    let steps = workload.steps(vocabulary: sizes.vocabSize, merged: merged)
    let warmUp = min(3, steps.count - 1)
    _ = try train(training, steps[..<warmUp], checkpointing)
    kernels.memory.resetPeak()
    // Three parts with equally many steps show how much the time varies.
    let timed = steps[warmUp...]
    let runs = min(3, timed.count)
    var (times, loss) = ([Double](), 0.0)
    for run in 0..<runs {
      let first = warmUp + timed.count * run / runs
      let part = steps[first..<warmUp + timed.count * (run + 1) / runs]
      let time = try seconds { loss = try train(training, part, checkpointing) }
      times.append(time / Double(part.count))
    }
    let work = timed.joined().reduce(0) { $0 + ModelWork(sizes).operations($1, trained) }
    let mean = times.reduce(0, +) / Double(times.count)
    let perStep = Double(workload.batchSize * workload.passes)
    return [
      "milliseconds": .array(times.map { .double($0 * 1e3) }),
      "samples_per_second": .array(times.map { .double(perStep / $0) }),
      "teraflops": .double(work / Double(timed.count) / mean / 1e12), "loss": .double(loss),
      "device_gigabytes": .double(Double(kernels.memory.peakReserved) / 1e9),
      "device_gigabytes_in_use": .double(Double(kernels.memory.peakInUse) / 1e9),
    ]
  }

  /// Trains in the way of the training loop: the results of a step are read when the next is queued.
  /// - Returns: the mean loss of the last step's target tokens, in nats.
  private func train(
    _ training: TrainingStep, _ steps: ArraySlice<[TokenBatch]>, _ checkpointing: Bool
  ) throws -> Double {
    var last = 0.0
    var reading = LateReading<(loss: BatchLoss, update: WeightUpdate)>(kernels.place) { step in
      last = step.loss.mean()
      _ = step.update.changedCount()
      try kernels.check()
      guard last.isFinite else { throw Fault(.failure, "training: the loss is \(last)") }
    }
    for microBatches in steps {
      try reading.queued(training.take(microBatches, checkpointing: checkpointing))
    }
    try reading.finish()
    return last
  }

  /// Greedy answers of full length to all prompts side by side, or to the first alone.
  func decoding(rows: Int) throws -> JSONObject {
    let model = try model(writable: false)
    let prompts = workload.prompts.prefix(rows).enumerated().map { index, count in
      workload.ids(count, stream: UInt64(1 << 20 | index), vocabulary: sizes.vocabSize)
    }
    func generate(_ count: Int) throws -> Int {
      try GreedyDecoder(model, kernels, maxNewTokens: count, stopIds: []).generate(prompts)
        .reduce(0) { $0 + $1.tokens.count }
    }
    _ = try generate(min(8, workload.newTokens))
    kernels.memory.resetPeak()
    var tokens = 0
    let times = try (0..<(isQuick ? 1 : 3)).map { _ in
      try seconds { tokens = try generate(workload.newTokens) }
    }
    try kernels.check()
    return [
      "seconds": .array(times.map { .double($0) }),
      "milliseconds_per_token": .array(times.map { .double($0 * 1e3 / Double(workload.newTokens)) }),
      "tokens_per_second": .array(times.map { .double(Double(tokens) / $0) }),
      "device_gigabytes": .double(Double(kernels.memory.peakReserved) / 1e9),
    ]
  }

  /// Takes one LoRA step.  - Returns: when it was done, in seconds since 1970.
  func firstStep() throws -> JSONObject {
    let ready = Date().timeIntervalSince1970
    let training = TrainingStep(study: try model(writable: false), .adapters, kernels)
    let steps = workload.steps(vocabulary: sizes.vocabSize, merged: true)
    _ = try train(training, steps.prefix(1), false)
    return ["kernels_at": .double(ready), "first_step_at": .double(Date().timeIntervalSince1970)]
  }

  private func model(writable: Bool) throws -> GemmaModel {
    guard let folder else { return randomModel() }
    var model = try GemmaModel(contentsOf: folder, precision: .bfloat16)
    if writable { model.copyWeights(kernels) } else { model.placeWeights(kernels) }
    return model
  }

  /// Random weights of the usual initial size, made on the device. Norms are zero, which multiplies by one.
  private func randomModel() -> GemmaModel {
    let amplitude = Float(3).squareRoot() * Float(sizes.initializerRange)
    let random = RandomPool(kernels, amplitude: amplitude)
    return GemmaModel(sizes) { _, shape in
      shape.count == 1 ? kernels.zeros(shape, .bfloat16) : random.tensor(shape, .bfloat16)
    }
  }
}
