import Files
import GSM8K
import Gemma
import Tensors

/// Answers questions with a model, greedily, `batchSize` of them side by side.
struct Evaluator {
  let model: GemmaModel
  let prompt: Prompt
  let kernels: any Kernels
  let configuration: RunConfiguration.EvaluationSection

  /// The answers to `prompts`, in order.
  /// - Parameter onProgress: called after each answer with the number of answers so far.
  /// - Throws: `NonFiniteOutput` as soon as the model's logits are not finite.
  func answers(to prompts: [[Int32]], onProgress: (Int) -> Void) throws -> [ModelAnswer] {
    let decoder = GreedyDecoder(
      model, kernels, maxNewTokens: configuration.maxNewTokens, stopIds: prompt.stopIds,
      limits: DecodingLimits(rows: configuration.batchSize), isFinished: isFinished)
    return try decoder.generate(prompts, onAnswer: onProgress).map(answer)
  }

  /// Whether an answer holds a stop string that it did not hold before its last token.
  ///
  /// Only the end is searched: as many tokens as a stop string and a cut character have bytes. Tokens without
  /// text between those of a stop string can hide it. Even so it is cut off in the end.
  private func isFinished(_ tokens: [Int32]) -> Bool {
    // A failed device computes no answer. The session reports the failure.
    if kernels.failure != nil { return true }
    guard let longest = configuration.stop.map(\.utf8.count).max() else { return false }
    return holdsStop(tokens.suffix(longest + 4)) && holdsStop(tokens[...])
  }

  private func holdsStop(_ tokens: ArraySlice<Int32>) -> Bool {
    let text = prompt.tokenizer.decode(Array(tokens))
    return text.truncated(at: configuration.stop).utf8.count < text.utf8.count
  }

  private func answer(_ generation: Generation) -> ModelAnswer {
    let text = prompt.tokenizer.decode(generation.tokens)
    let completion = text.truncated(at: configuration.stop)
    let stop: StopReason =
      switch generation.stop {
      case _ where completion.utf8.count < text.utf8.count: .stopString
      case .token(let id): id == prompt.tokenizer.endOfTurnId ? .endOfTurn : .endOfSequence
      case .text: .stopString
      case .length: .length
      }
    return ModelAnswer(text: text, completion: completion, stop: stop, tokenCount: generation.tokens.count)
  }
}
