import Tensors

/// Greedy decoding of many prompts with a key/value cache and continuous batching: when an answer ends, the
/// next prompt takes its slot and is prefilled in the forward pass in which the other slots decode.
///
/// The same call gives the same answers on any number of threads, because the prompts, the answers and the
/// limits alone decide what a forward pass holds. A slot reads only its own tokens. However, products of
/// another number of rows may sum in another order. So an answer may differ in rounding, and hence at a
/// near-tie of two tokens, when its prompt stands among other prompts or has other limits.
package struct GreedyDecoder {
  private let model: GemmaModel
  private let kernels: any Kernels
  /// The model's embedding as the map to the vocabulary.
  private let vocabulary: any VocabularySearch
  private let maxNewTokens: Int
  private let stopIds: Set<Int32>
  private let limits: DecodingLimits
  private let isFinished: ([Int32]) -> Bool

  /// A decoder. For long answers the vocabulary is prepared, which takes as long as a few tokens.
  /// - Parameters:
  ///   - maxNewTokens: limit of each answer.
  ///   - stopIds: tokens that end an answer.
  ///   - isFinished: called after each new token with all tokens of the answer; true ends the answer.
  package init(
    _ model: GemmaModel, _ kernels: any Kernels, maxNewTokens: Int, stopIds: Set<Int32>,
    limits: DecodingLimits = DecodingLimits(), isFinished: @escaping ([Int32]) -> Bool = { _ in false }
  ) {
    self.model = model
    self.kernels = kernels
    vocabulary = kernels.vocabularySearch(model.embedding, searches: maxNewTokens)
    self.maxNewTokens = maxNewTokens
    self.stopIds = stopIds
    self.limits = limits
    self.isFinished = isFinished
  }

  /// The answers to `prompts`, each at least one token long, in order.
  /// - Parameter onAnswer: called after each finished answer with the number of answers finished so far.
  /// - Throws: `NonFiniteOutput` as soon as a logit of a next token is not finite.
  package func generate(
    _ prompts: [[Int32]], onAnswer: (Int) -> Void = { _ in }
  ) throws(NonFiniteOutput) -> [Generation] {
    var generations = prompts.map { _ in Generation() }
    guard !prompts.isEmpty, maxNewTokens > 0 else { return generations }
    precondition(prompts.allSatisfy { !$0.isEmpty }, "generate: an empty prompt")
    let prefix = sharedPrefix(of: prompts)
    var schedule = DecodingSchedule(prompts, prefixLength: prefix.count, limits)
    let cache = KeyValueCache(
      model.configuration, model.dtype, rows: schedule.rowCount,
      capacity: (prompts.map(\.count).max() ?? 0) + maxNewTokens, kernels)
    let replays = kernels.replays()
    read(prefix, cache, replays)
    var answered = 0
    while true {
      for row in schedule.admit() { cache.truncate(row, to: prefix.count) }
      let parts = schedule.nextPass()
      if parts.isEmpty { return generations }
      for (part, id) in zip(parts.filter(\.isLast), step(parts, cache, replays)) {
        if id < 0 { throw nonFinite(part.prompt, prompts, generations) }
        if accept(id, &generations[part.prompt]) {
          schedule.free(part.row)
          answered += 1
          onAnswer(answered)
        } else {
          schedule.feed(id, to: part.row)
        }
      }
    }
  }

  /// The tokens that all prompts begin with, if there are enough to compute them only once. The last token of
  /// a prompt is never among them.
  private func sharedPrefix(of prompts: [[Int32]]) -> ArraySlice<Int32> {
    guard prompts.count > 1 else { return [] }
    let length = prompts.reduce(prompts[0].count) { length, prompt in
      min(zip(prompt, prompts[0]).prefix { $0 == $1 }.count, length, prompt.count - 1)
    }
    return length < max(1, limits.shortestSharedPrefix) ? [] : prompts[0][..<length]
  }

  /// Prefills every slot of an empty cache with the shared prefix.
  private func read(_ prefix: ArraySlice<Int32>, _ cache: KeyValueCache, _ replays: any Replaying) {
    if prefix.isEmpty { return }
    for start in stride(from: 0, to: prefix.count, by: limits.tokensPerPass) {
      let tokens = prefix[start..<min(prefix.count, start + limits.tokensPerPass)]
      _ = step([.init(row: 0, prompt: 0, tokens: tokens, isLast: false)], cache, replays)
    }
    cache.copyToAllRows(from: 0)
  }

  /// Runs one forward pass over `parts` and adds their keys and values to the cache.
  /// - Returns: the most likely next token of each part that `isLast`; -1 where a logit is not finite.
  private func step(
    _ parts: [DecodingSchedule.Part], _ cache: KeyValueCache, _ replays: any Replaying
  ) -> [Int32] {
    var advance = cache.advance(rows: parts.map(\.row), counts: parts.map(\.tokens.count))
    let ids = parts.flatMap(\.tokens)
    if parts.allSatisfy({ $0.isLast && $0.tokens.count == 1 }) {
      cache.fill(&advance, upTo: replays.paddedCount(parts.count))
      return Array(decode(ids, advance, cache, replays).prefix(parts.count))
    }
    let operations = Operations(kernels)
    let context = model.context(
      positions: kernels.placed(Tensor(advance.positions)), .sequences(advance.segments),
      cache: (cache, kernels.placed(Tensor(advance.places))))
    let residual = model.residual(
      kernels.placed(Tensor(ids)), operations, context, checkpointing: false)
    let lastRows = zip(parts, advance.segments).filter(\.0.isLast).map {
      Int32($1.queryStart + $1.queryCount - 1)
    }
    if lastRows.isEmpty { return [] }
    return kernels.onHost(vocabulary.argmax(model.normed(residual, rows: lastRows, operations))).ints
  }

  /// A forward pass of one token a slot. Everything that changes between such passes is data, so that the
  /// pass can be replayed.
  /// - Returns: the most likely next token of each slot; -1 where a logit is not finite.
  private func decode(
    _ ids: [Int32], _ advance: KeyValueCache.Advance, _ cache: KeyValueCache, _ replays: any Replaying
  ) -> [Int32] {
    let rows = advance.positions.count
    // Rounded up to 256, so that one recording serves many lengths.
    let longest = ((advance.segments.map(\.keyCount).max() ?? 0) + 255) / 256 * 256
    let segments = advance.segments.flatMap(\.numbers)
    let padding = [Int32](repeating: 0, count: rows - ids.count)
    let input = kernels.placed(Tensor(ids + padding + advance.positions + advance.places + segments))
    let next = replays.run([rows, longest], input) { input in
      let context = model.context(
        positions: input.rows(rows..<2 * rows),
        .decoding(input.rows(3 * rows..<7 * rows), longest: longest),
        cache: (cache, input.rows(2 * rows..<3 * rows)))
      let operations = Operations(kernels)
      let residual = model.residual(input.rows(0..<rows), operations, context, checkpointing: false)
      return vocabulary.argmax(model.normed(residual, operations))
    }
    return kernels.onHost(next).ints
  }

  /// The error of an answer for which no next token could be chosen. Reads the prompt and its answer once
  /// more to find the part at fault.
  private func nonFinite(
    _ prompt: Int, _ prompts: [[Int32]], _ generations: [Generation]
  ) -> NonFiniteOutput {
    let answer = generations[prompt].tokens
    let part = model.firstNonFinitePart(
      prompts[prompt] + answer, tokensPerPass: limits.tokensPerPass, kernels)
    return NonFiniteOutput(prompt: prompt, token: answer.count + 1, part: part)
  }

  /// Adds one new token to an answer.  - Returns: whether the answer is finished.
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
