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

  /// The parts, in the order: weights, adapter, gradients, optimizer, activations, vocabulary.
  package var parts: [Part]

  /// All parts together.
  package var total: Int { parts.reduce(0) { $0 + $1.bytes } }

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

  /// What a training run needs when its longest examples meet in one pass.
  init(_ run: RunConfiguration, _ setup: ModelSetup, _ data: TrainingData, trainable: Int) {
    let model = setup.configuration
    let isAdapter = run.method == .lora
    let longest = data.examples.map(\.tokens.count).sorted().suffix(run.train.perDeviceBatchSize)
    let targets = data.examples.map(\.targetCount).sorted().suffix(run.train.perDeviceBatchSize)
    let weights = model.parameterCount() * setup.precision.byteCount
    let optimizer = AdamW.stateBytes(
      isAdapter
        ? WeightNames.adapter(in: model, rank: run.lora.rank, targets: run.lora.targets)
        : WeightNames.all(in: model),
      isAdapter ? .float32 : setup.precision, AdamW.Settings(run))
    parts = [
      Part(name: "weights", bytes: weights),
      Part(name: "adapter", bytes: isAdapter ? trainable * 4 : 0),
      Part(name: "gradients", bytes: trainable * 4),
      Part(name: "optimizer", bytes: optimizer),
      Part(
        name: "activations",
        bytes: Self.activations(
          model, tokens: longest.reduce(0, +), element: setup.precision.byteCount,
          checkpointing: run.train.gradientCheckpointing == .always)),
      Part(
        name: "vocabulary",
        bytes: CPUKernels.logitBytes(rows: targets.reduce(0, +), vocabulary: model.vocabSize)),
    ].filter { $0.bytes > 0 }
  }

  /// Whether a run can keep everything that its backward pass needs: `always` or `never` in place of `auto`.
  ///
  /// It can when the plan without checkpointing takes at most 70 % of the memory that is free now: the plan does not know
  /// what else the machine will do.
  static func resolved(
    _ run: RunConfiguration, _ setup: ModelSetup, _ data: TrainingData, trainable: Int, available: Int
  ) -> RunConfiguration.TrainSection.GradientCheckpointing {
    guard run.train.gradientCheckpointing == .auto else { return run.train.gradientCheckpointing }
    var kept = run
    kept.train.gradientCheckpointing = .never
    let need = MemoryPlan(kept, setup, data, trainable: trainable).total
    return Double(need) <= 0.7 * Double(available) ? .never : .always
  }

  /// What the backward pass needs of the layers: the residual stream before each, and the inside of one layer with its
  /// gradients, or of all.
  private static func activations(_ model: ModelConfiguration, tokens: Int, element: Int, checkpointing: Bool)
    -> Int
  {
    let queryWidth = model.numAttentionHeads * model.headDim
    let keyValueWidth = model.numKeyValueHeads * model.headDim
    // Per token of one layer: the stream and its norms, queries (before and after norm and rotation) and attention's
    // output, keys and values, and the MLP's three.
    let inside = 6 * model.hiddenSize + 4 * queryWidth + 6 * keyValueWidth + 3 * model.intermediateSize
    let layers = model.numHiddenLayers
    // The gradients of a layer's inside, and float32 copies of the widest operand.
    let working = inside * element + 8 * max(model.intermediateSize, queryWidth)
    let kept = checkpointing ? model.hiddenSize * layers + inside : inside * layers
    return tokens * (kept * element + working)
  }
}
