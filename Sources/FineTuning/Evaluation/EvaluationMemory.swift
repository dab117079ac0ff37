import Files
import Gemma
import Tensors

/// The memory that an evaluation needs, and what it depends on.
struct EvaluationMemory {
  private let run: RunConfiguration
  private let model: ModelConfiguration
  /// Prompts, and tokens of the longest.
  private let promptCount: Int, longest: Int
  private let isOnDevice: Bool

  /// The memory of answering prompts of these lengths, in tokens.
  init(_ run: RunConfiguration, _ model: ModelConfiguration, promptLengths: [Int], isOnDevice: Bool) {
    self.run = run
    self.model = model
    promptCount = promptLengths.count
    longest = promptLengths.max() ?? 0
    self.isOnDevice = isOnDevice
  }

  /// Predicted peak memory by part.
  var plan: MemoryPlan { plan(run.evaluation.batchSize, run.evaluation.maxNewTokens) }

  private func plan(_ batchSize: Int, _ newTokens: Int) -> MemoryPlan {
    let rows = min(batchSize, promptCount)
    let width = model.numKeyValueHeads * model.headDim
    let adapter =
      run.method == .lora
      ? GemmaModel.adapterParameterCount(model, rank: run.lora.rank, targets: run.lora.targets) : 0
    let parts: [(String, Int)] = [
      ("weights", product(model.parameterCount(), element)),
      ("adapter", product(adapter, 4)),
      (
        "keys and values",
        product(rows, longest + newTokens, 2 * model.numHiddenLayers, width * element)
      ),
      ("activations", product(min(DecodingLimits().tokensPerPass, rows * longest), bytesPerToken)),
      ("vocabulary", vocabulary), ("program", isOnDevice ? 0 : ProcessMemory.programBytes),
    ]
    return MemoryPlan(parts: parts.filter { $0.1 > 0 }.map { .init(name: $0.0, bytes: $0.1) })
  }

  private var element: Int { run.model.precision == .bf16 ? 2 : 4 }

  /// Bytes a token of one layer at a time: the stream, heads before and after norm and rotation, three
  /// tensors of the MLP, and the widened operand.
  private var bytesPerToken: Int {
    let heads = 4 * model.numAttentionHeads * model.headDim + 6 * model.numKeyValueHeads * model.headDim
    return (6 * model.hiddenSize + heads + 3 * model.intermediateSize) * (element + 4)
  }

  /// Bytes that the search for the most likely token keeps beside the embedding.
  private var vocabulary: Int {
    let place: Place = isOnDevice ? .device : .host
    return place.kernels.searchBytes(
      vocabulary: model.vocabSize, width: model.hiddenSize,
      run.model.precision == .bf16 ? .bfloat16 : .float32)
  }

  /// The fault for an evaluation that does not fit, with the settings that would fit; nil where it fits.
  func refusal(_ room: MemoryRoom) -> Fault? {
    let plan = plan
    guard plan.total > room.bytes else { return nil }
    let (batch, tokens) = (run.evaluation.batchSize, run.evaluation.maxNewTokens)
    var remedies: [String] = []
    if let most = largest(below: batch, where: { self.plan($0, tokens).total <= room.bytes }) {
      remedies.append(shown("evaluation.batch_size=\(most)", self.plan(most, tokens)))
    }
    if let most = largest(below: tokens, where: { self.plan(batch, $0).total <= room.bytes }) {
      remedies.append(shown("evaluation.max_new_tokens=\(most)", self.plan(batch, most)))
    }
    if remedies.isEmpty, let most = largest(below: tokens, where: { self.plan(1, $0).total <= room.bytes }) {
      remedies.append(
        shown("evaluation.batch_size=1 evaluation.max_new_tokens=\(most)", self.plan(1, most)))
    }
    return Fault(
      .unavailable,
      "memory: the evaluation needs \(plan.text), the most for \(plan.largest); \(room.name)",
      hint: remedies.isEmpty
        ? "no setting of the evaluation makes this model fit; expected a smaller one, or more memory"
        : "it fits with \(remedies.joined(separator: ", or with "))")
  }

  private func shown(_ settings: String, _ plan: MemoryPlan) -> String {
    "\(settings) (\(byteText(plan.total)))"
  }

  /// The largest number from 1 to below `limit` that fits; nil when not even 1 does. If a number fits, every
  /// smaller one must fit.
  private func largest(below limit: Int, where fits: (Int) -> Bool) -> Int? {
    guard limit > 1, fits(1) else { return nil }
    var (most, tooMany) = (1, limit)
    while tooMany - most > 1 {
      let middle = most + (tooMany - most) / 2
      if fits(middle) { most = middle } else { tooMany = middle }
    }
    return most
  }
}
