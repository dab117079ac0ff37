import Gemma
import Tensors

/// Predicted peak memory by part, in bytes.
package struct MemoryPlan: Equatable, Sendable {
  /// One part, and its bytes at the peak.
  package struct Part: Equatable, Sendable {
    /// What it is for.
    package var name: String
    /// Its size.
    package var bytes: Int
  }

  /// The parts, in the order: weights, adapter, gradients, optimizer, activations, vocabulary, rounding, workspace.
  package var parts: [Part]

  /// All parts together.
  package var total: Int { parts.reduce(0) { $0 + $1.bytes } }

  /// The largest part's name.
  package var largest: String { parts.max { $0.bytes < $1.bytes }?.name ?? "nothing" }

  /// One line: the total, and the parts in brackets.
  package var text: String {
    let list = parts.map { "\($0.name) \(Self.shown($0.bytes))" }.joined(separator: ", ")
    return "\(Self.shown(total)) at the peak (\(list))"
  }

  /// Bytes as a person reads them: "536.2 MB".
  static func shown(_ bytes: Int) -> String {
    let value = Double(bytes)
    if value >= 1e9 { return "\((value / 1e9).formatted(decimals: 2)) GB" }
    if value >= 1e6 { return "\((value / 1e6).formatted(decimals: 1)) MB" }
    return "\((value / 1e3).formatted(decimals: 1)) kB"
  }
}

/// What the memory of a training run depends on.
struct MemoryDemand {
  /// The run's settings; `gradient_checkpointing: auto` counts as false.
  var run: RunConfiguration
  private let model: ModelConfiguration
  /// All memory of the device that computes; nil on the CPU.
  private let deviceTotal: Int?
  /// Lengths of the examples, and their targets, in tokens, the longest first.
  private let lengths: [Int], targets: [Int]

  init(_ run: RunConfiguration, _ model: ModelConfiguration, _ data: TrainingData, _ room: MemoryRoom) {
    self.run = run
    self.model = model
    deviceTotal = room.deviceTotal
    lengths = data.examples.map(\.tokens.count).sorted(by: >)
    targets = data.examples.map(\.targetCount).sorted(by: >)
  }

  /// Passes of an optimizer step.
  var passCount: Int { Batcher(run, exampleCount: lengths.count).passesPerStep }

  /// Tokens of so many merged passes at the most.
  func tokens(passes: Int) -> Int { sum(lengths, passes) }

  /// Tokens of so many merged passes on average.
  func averageTokens(passes: Int) -> Int {
    let rows = product(passes, run.train.perDeviceBatchSize)
    return product(lengths.reduce(0, +), min(rows, lengths.count)) / max(1, lengths.count)
  }

  private func sum(_ counts: [Int], _ passes: Int) -> Int {
    let (rows, overflow) = run.train.perDeviceBatchSize.multipliedReportingOverflow(by: passes)
    return counts.prefix(overflow ? .max : rows).reduce(0, +)
  }

  /// What a run needs when its longest examples meet in one forward pass of `passes` merged ones.
  func plan(passes: Int) -> MemoryPlan {
    let trainable = parameters.reduce(0) { $0 + $1.shape.reduce(1, *) }
    let vocabulary = vocabulary(rows: sum(targets, passes))
    let activations = activations(tokens: tokens(passes: passes), vocabulary: vocabulary)
    let forwards = (passCount + passes - 1) / passes
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
    ]
    return MemoryPlan(parts: parts.filter { $0.1 > 0 }.map { .init(name: $0.0, bytes: $0.1) })
  }

  /// Bytes of the gradients of steps of so many forward passes.
  func gradientBytes(forwards: Int) -> Int {
    Gradients.byteCount(parameters, isAdapter ? .float32 : precision, passes: forwards)
  }

  /// cuBLASLt's.
  private static let workspaceBytes = 32 << 20

  private var isAdapter: Bool { run.method == .lora }
  private var precision: DType { run.model.precision == .bf16 ? .bfloat16 : .float32 }
  private var element: Int { precision.byteCount }
  /// What is trained.
  private var parameters: [(name: String, shape: Shape)] {
    isAdapter
      ? WeightNames.adapter(in: model, rank: run.lora.rank, targets: run.lora.targets)
      : WeightNames.all(in: model)
  }

  /// Bytes of bfloat16 copies of the largest gradient, rounded and then clipped, once activations and logits are gone.
  private var roundedGradients: Int {
    guard !isAdapter, precision == .bfloat16, run.optimizer.lowPrecisionUpdate == .nearest else { return 0 }
    return product(parameters.map { $0.shape.reduce(1, *) }.max() ?? 0, 4)
  }

  private func vocabulary(rows: Int) -> Int {
    let place: Place = deviceTotal == nil ? .host : .device
    return place.kernels.logitBytes(
      rows: rows, vocabulary: model.vocabSize, precision, deviceMemory: deviceTotal ?? 0)
  }

  /// What the backward pass needs of the layers: the residual stream before each, and the inside of one layer with its
  /// gradients, or of all. On a GPU the gradients of a layer take the place of the logits, which are gone by then.
  private func activations(tokens: Int, vocabulary: Int) -> Int {
    let (inside, working) = deviceTotal == nil ? hostLayer : deviceLayer
    let isRecomputed = run.train.gradientCheckpointing == .always
    let layers = model.numHiddenLayers
    let kept = isRecomputed ? model.hiddenSize * element * layers + inside : inside * layers
    if deviceTotal == nil { return product(tokens, kept + working) }
    return product(tokens, kept) + max(0, product(tokens, working) - vocabulary)
  }

  private var queryWidth: Int { model.numAttentionHeads * model.headDim }
  private var keyValueWidth: Int { model.numKeyValueHeads * model.headDim }

  /// Bytes a token on the CPU: kept by one layer, and for its gradients and float32 copies of the widest operand.
  private var hostLayer: (inside: Int, working: Int) {
    // The stream and its norms, queries (before and after norm and rotation) and attention's output, keys and values,
    // and the MLP's three.
    let inside = 6 * model.hiddenSize + 4 * queryWidth + 6 * keyValueWidth + 3 * model.intermediateSize
    return (inside * element, inside * element + 8 * max(model.intermediateSize, queryWidth))
  }

  /// Bytes a token on a GPU: kept by one layer, and for its gradients.
  private var deviceLayer: (inside: Int, working: Int) {
    // Before and after each norm.
    let stream = (model.hasPostNorms ? 6 : 4) * model.hiddenSize
    // Rotated queries and keys (normed ones also before), values, attention's output.
    let heads = (model.hasQueryKeyNorm ? 4 : 2) * (queryWidth + keyValueWidth)
    var inside = (stream + heads + 3 * model.intermediateSize) * element
    for target in isAdapter ? run.lora.targets : [] {
      // The inner product in float32, and a dropped-out input.
      inside += 4 * run.lora.rank
      if run.lora.dropout > 0 { inside += target.shape(in: model)[1] * element }
    }
    return (inside, (2 * model.intermediateSize + 4 * model.hiddenSize) * element)
  }
}

/// A product of sizes; what no machine has is as good as 10¹⁸.
func product(_ factors: Int...) -> Int {
  Int(min(factors.reduce(1.0) { $0 * Double($1) }, 1e18))
}
