import Files
import GSM8K

/// One problem as the model reads it: `[bos] + prompt + answer + [end]`. The answer and the end are targets.
package struct TrainingExample: Equatable, Sendable {
  /// All tokens.
  package var tokens: [Int32]
  /// Number of tokens at the start that are no targets.
  package var promptLength: Int

  /// A sequence whose first `promptLength` tokens are no targets.
  package init(tokens: [Int32], promptLength: Int) {
    self.tokens = tokens
    self.promptLength = promptLength
  }

  /// Number of target tokens, which the loss is the mean over.
  package var targetCount: Int { max(0, tokens.count - max(1, promptLength)) }
}

/// The training examples of a run, and what happened to those that were too long.
package struct TrainingData: Equatable, Sendable {
  /// In file order.
  package var examples: [TrainingExample] = []
  /// Number of examples over the length limit that were dropped, and that were cut.
  package var droppedCount = 0, truncatedCount = 0

  /// Tokens of all examples.
  package var tokenCount: Int { examples.reduce(0) { $0 + $1.tokens.count } }
  /// Target tokens of all examples.
  package var targetCount: Int { examples.reduce(0) { $0 + $1.targetCount } }
  /// Tokens of the longest example.
  package var longest: Int { examples.map(\.tokens.count).max() ?? 0 }

  /// Encodes the problems of a configuration.
  ///
  /// `loss_on: all` makes every token except for the first a target. Throws a `Fault` naming file and line
  /// for an example over `train.max_length` or the model's `positions` (unless it is to be dropped or cut),
  /// and for one without targets.
  package init(
    _ problems: [Problem], _ prompt: Prompt, _ configuration: RunConfiguration, file: String, positions: Int
  ) throws {
    let limit = LengthLimit(configuration.train.maxLength, positions: positions, file: file)
    let overlong = configuration.data.overlong
    for problem in problems {
      // Encoding megabytes of text takes long, so it is skipped where the length alone decides.
      let least = prompt.leastTokenCount(for: problem.question, problem.answer)
      if least > limit.tokens, overlong != .truncate {
        guard overlong == .drop else { throw limit.exceeded(by: problem, "at least \(least)") }
        droppedCount += 1
        continue
      }
      var example = TrainingExample(problem, prompt, configuration.prompt.lossOn)
      if example.tokens.count > limit.tokens {
        switch overlong {
        case .drop:
          droppedCount += 1
          continue
        case .truncate:
          truncatedCount += 1
          example.tokens.removeLast(example.tokens.count - limit.tokens)
        case .error: throw limit.exceeded(by: problem, "\(example.tokens.count)")
        }
      }
      guard example.targetCount > 0 else { throw limit.leavesNoTarget(of: problem) }
      examples.append(example)
    }
    guard !examples.isEmpty else {
      throw Fault(.badData, file: file, "no example is left to train on; all \(droppedCount) were dropped")
    }
  }
}

extension TrainingExample {
  /// A problem as the model reads it.
  fileprivate init(_ problem: Problem, _ prompt: Prompt, _ lossOn: RunConfiguration.PromptSection.LossOn) {
    let question = prompt.encodedPrompt(for: problem.question)
    self.init(
      tokens: question + prompt.encodedTarget(for: problem.answer),
      promptLength: lossOn == .all ? 1 : question.count)
  }
}

/// Most tokens of an example: the configuration's limit, or the model's positions where they are fewer.
private struct LengthLimit {
  let tokens: Int
  private let key: String
  private let canBeRaised: Bool
  private let file: String

  init(_ maxLength: Int, positions: Int, file: String) {
    tokens = min(maxLength, positions)
    key = positions < maxLength ? "max_position_embeddings" : "train.max_length"
    canBeRaised = maxLength < positions
    self.file = file
  }

  func exceeded(by problem: Problem, _ count: String) -> Fault {
    Fault(
      .badData, file: file, line: problem.id + 1,
      "the example has \(count) tokens; expected at most \(key) = \(tokens)",
      hint: "set data.overlong=drop or data.overlong=truncate"
        + (canBeRaised ? ", or raise train.max_length" : ""))
  }

  func leavesNoTarget(of problem: Problem) -> Fault {
    Fault(
      .badData, file: file, line: problem.id + 1,
      "the example has no target tokens within \(key) = \(tokens)",
      hint: (canBeRaised ? "raise train.max_length, or " : "") + "set data.overlong=drop")
  }
}
