import Files
import GSM8K
import Gemma
import Tensors

/// A model's answer to one question.
struct ModelAnswer: Equatable, Sendable {
  /// The text as generated.
  var text: String
  /// The text, cut at the first stop string: what is scored and shown.
  var completion: String
  /// What ended it.
  var stop: StopReason
  /// Generated tokens.
  var tokenCount: Int
}

/// Asks a model questions in batches, greedily.
struct Evaluator {
  let model: GemmaModel
  let prompt: Prompt
  let kernels: any Kernels
  let configuration: RunConfiguration.EvaluationSection

  /// The answers to `questions`, in order.
  /// - Parameter onProgress: called after each batch with the number of answers so far.
  func answers(to questions: [String], onProgress: (Int) -> Void) -> [ModelAnswer] {
    let decoder = GreedyDecoder(
      model, kernels, maxNewTokens: configuration.maxNewTokens, stopIds: prompt.stopIds,
      isFinished: isFinished)
    var answers: [ModelAnswer] = []
    for start in stride(from: 0, to: questions.count, by: configuration.batchSize) {
      let batch = questions[start..<min(questions.count, start + configuration.batchSize)]
      answers += decoder.generate(batch.map(prompt.encodedPrompt)).map(answer)
      onProgress(answers.count)
    }
    return answers
  }

  private func isFinished(_ tokens: [Int32]) -> Bool {
    if configuration.stop.isEmpty { return false }
    let text = prompt.tokenizer.decode(tokens)
    return configuration.stop.contains { text.contains($0) }
  }

  private func answer(_ generation: Generation) -> ModelAnswer {
    let stop: StopReason =
      switch generation.stop {
      case .token(let id): id == prompt.tokenizer.endOfTurnId ? .endOfTurn : .endOfSequence
      case .text: .stopString
      case .length: .length
      }
    let text = prompt.tokenizer.decode(generation.tokens)
    return ModelAnswer(
      text: text, completion: text.truncated(at: configuration.stop), stop: stop,
      tokenCount: generation.tokens.count)
  }
}
