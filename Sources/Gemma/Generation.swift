import Tensors

/// One decoded answer.
package struct Generation: Equatable, Sendable {
  /// What ended an answer.
  package enum Stop: Equatable, Sendable {
    /// A token that ends a sequence or turn; it is not among the tokens.
    case token(Int32)
    /// The caller's test of the tokens so far.
    case text
    /// The limit of new tokens.
    case length
  }

  /// The new tokens, without the prompt and without the one that ended the answer.
  package var tokens: [Int32] = []
  /// What ended it.
  package var stop: Stop = .length

  /// An answer so far, and what ended it.
  package init(tokens: [Int32] = [], stop: Stop = .length) {
    self.tokens = tokens
    self.stop = stop
  }
}

/// Greedy decoding of several prompts side by side, with a key/value cache.
package struct GreedyDecoder {
  private let model: GemmaModel
  private let kernels: any Kernels
  private let maxNewTokens: Int
  private let stopIds: Set<Int32>
  private let isFinished: ([Int32]) -> Bool

  /// - Parameters:
  ///   - maxNewTokens: limit of each answer.
  ///   - stopIds: tokens that end an answer.
  ///   - isFinished: asked after each new token, with all the answer's tokens; true ends it.
  package init(
    _ model: GemmaModel, _ kernels: any Kernels, maxNewTokens: Int, stopIds: Set<Int32>,
    isFinished: @escaping ([Int32]) -> Bool = { _ in false }
  ) {
    self.model = model
    self.kernels = kernels
    self.maxNewTokens = maxNewTokens
    self.stopIds = stopIds
    self.isFinished = isFinished
  }

  /// The answers to `prompts`, each at least one token long, in order.
  package func generate(_ prompts: [[Int32]]) -> [Generation] {
    guard !prompts.isEmpty, maxNewTokens > 0 else { return prompts.map { _ in Generation() } }
    precondition(prompts.allSatisfy { !$0.isEmpty }, "generate: an empty prompt")
    let longest = prompts.map(\.count).max() ?? 0
    let cache = KeyValueCache(
      model.configuration, model.dtype, rows: prompts.count, capacity: longest + maxNewTokens, kernels)
    var generations = prompts.map { _ in Generation() }
    var active = Array(prompts.indices)
    var inputs = prompts
    while true {
      let next = step(inputs, rows: active, cache)
      var remaining: [Int] = []
      for (row, id) in zip(active, next) where !accept(id, &generations[row]) { remaining.append(row) }
      active = remaining
      if active.isEmpty { return generations }
      inputs = active.map { [generations[$0].tokens[generations[$0].tokens.count - 1]] }
    }
  }

  /// The most likely token after each of `inputs`, which go on from what the cache holds of `rows`.
  private func step(_ inputs: [[Int32]], rows: [Int], _ cache: KeyValueCache) -> [Int32] {
    let counts = inputs.map(\.count)
    let (positions, segments) = cache.advance(rows: rows, counts: counts)
    let context = model.context(positions: positions, segments: segments, dropout: nil)
    let operations = Operations(kernels)
    let residual = model.residual(
      inputs.flatMap { $0 }, operations, context, checkpointing: false, cache: cache)
    var last: Int32 = -1
    let lastRows = counts.map { count in
      last += Int32(count)
      return last
    }
    // A soft cap on the logits keeps their order: it is left out.
    return kernels.argmaxLogits(model.normed(residual, rows: lastRows, operations), model.embedding).ints
  }

  /// Takes one new token into an answer.  - Returns: whether the answer is finished.
  private func accept(_ id: Int32, _ generation: inout Generation) -> Bool {
    if stopIds.contains(id) {
      generation.stop = .token(id)
      return true
    }
    generation.tokens.append(id)
    if isFinished(generation.tokens) {
      generation.stop = .text
      return true
    }
    return generation.tokens.count == maxNewTokens
  }
}
