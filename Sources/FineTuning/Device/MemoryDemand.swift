import Files
import Gemma
import Tensors

/// What the memory of a training run depends on.
struct MemoryDemand {
  /// The run's settings; `gradient_checkpointing: auto` counts as false.
  var run: RunConfiguration
  private let model: ModelConfiguration
  /// Total memory of the device that computes; nil on the CPU.
  private let deviceTotal: Int?
  /// Tokens and target tokens of the examples, the longest first.
  private let lengths: [Int], targets: [Int]

  init(_ run: RunConfiguration, _ model: ModelConfiguration, _ data: TrainingData, _ room: MemoryRoom) {
    self.run = run
    self.model = model
    deviceTotal = room.deviceTotal
    lengths = data.examples.map(\.tokens.count).sorted(by: >)
    targets = data.examples.map(\.targetCount).sorted(by: >)
  }

  /// Micro-batches of an optimizer step.
  var microBatchCount: Int { Batcher(run, exampleCount: lengths.count).microBatchesPerStep }

  /// Upper bound on the tokens of `microBatches` merged micro-batches.
  func tokens(microBatches: Int) -> Int { sum(lengths, microBatches) }

  /// Average tokens of `microBatches` merged micro-batches.
  func averageTokens(microBatches: Int) -> Int {
    let rows = product(microBatches, run.train.perDeviceBatchSize)
    return product(lengths.reduce(0, +), min(rows, lengths.count)) / max(1, lengths.count)
  }

  private func sum(_ counts: [Int], _ microBatches: Int) -> Int {
    let (rows, overflow) = run.train.perDeviceBatchSize.multipliedReportingOverflow(by: microBatches)
    return counts.prefix(overflow ? .max : rows).reduce(0, +)
  }

  /// The plan for the case that the longest examples meet in a forward pass of `microBatches` micro-batches.
  func plan(microBatches: Int) -> MemoryPlan {
    let trainable = parameters.reduce(0) { $0 + $1.count }
    let vocabulary = vocabulary(rows: sum(targets, microBatches))
    let activations = activations(tokens: tokens(microBatches: microBatches), vocabulary: vocabulary)
    let forwards = (microBatchCount + microBatches - 1) / microBatches
    let parts: [(String, Int)] = [
      ("weights", product(model.parameterCount(), element)),
      ("adapter", isAdapter ? product(trainable, 4) : 0),
      ("gradients", gradientBytes(forwards: forwards)),
      (
        "optimizer", AdamW.stateBytes(parameters, isAdapter ? .float32 : precision, AdamW.Settings(run))
      ),
      ("activations", activations),
      ("vocabulary", vocabulary),
      ("rounding", max(0, roundedGradients - activations - vocabulary)),
      ("workspace", deviceTotal == nil ? 0 : Self.workspaceBytes),
      ("program", deviceTotal == nil ? ProcessMemory.programBytes : 0),
    ]
    return MemoryPlan(parts: parts.filter { $0.1 > 0 }.map { .init(name: $0.0, bytes: $0.1) })
  }

  /// Bytes of the gradients of an optimizer step with this many forward passes.
  func gradientBytes(forwards: Int) -> Int {
    Gradients.byteCount(parameters, isAdapter ? .float32 : precision, microBatches: forwards)
  }

  /// Workspace of cuBLASLt.
  private static let workspaceBytes = 32 << 20

  private var isAdapter: Bool { run.method == .lora }
  private var precision: DType { run.model.precision == .bf16 ? .bfloat16 : .float32 }
  private var element: Int { precision.byteCount }
  /// The trained parameters.
  private var parameters: [ParameterShape] {
    isAdapter
      ? WeightNames.adapter(in: model, rank: run.lora.rank, targets: run.lora.targets)
      : WeightNames.all(in: model)
  }

  /// Bytes of bfloat16 copies of the largest gradient, rounded and clipped, when activations and logits are
  /// gone.
  private var roundedGradients: Int {
    guard !isAdapter, precision == .bfloat16, run.optimizer.lowPrecisionUpdate == .nearest else { return 0 }
    return product(parameters.map(\.count).max() ?? 0, 4)
  }

  private func vocabulary(rows: Int) -> Int {
    let place: Place = deviceTotal == nil ? .host : .device
    return place.kernels.logitBytes(
      rows: rows, vocabulary: model.vocabSize, precision, deviceMemory: deviceTotal ?? 0)
  }

  /// What the backward pass needs of the layers: the residual stream before each, and the inside of one
  /// layer, or of all, with its gradients. On a GPU the gradients of a layer take the place of the logits,
  /// which are freed by then.
  private func activations(tokens: Int, vocabulary: Int) -> Int {
    let layer = LayerMemory(
      model, precision,
      adapter: isAdapter
        ? .init(targets: run.lora.targets, rank: run.lora.rank, hasDropout: run.lora.dropout > 0) : nil,
      on: deviceTotal == nil ? .host : .device)
    let isRecomputed = run.train.gradientCheckpointing == .always
    let layers = model.numHiddenLayers
    let kept = isRecomputed ? model.hiddenSize * element * layers + layer.kept : layer.kept * layers
    if deviceTotal == nil { return product(tokens, kept + layer.working) }
    return product(tokens, kept) + max(0, product(tokens, layer.working) - vocabulary)
  }
}
