import Files
import GSM8K
import Gemma

/// A question as the model reads it, and where it comes from.
struct EncodedQuestion {
  /// The file, and the line in it, from 1.
  let file: String, line: Int
  /// The whole prompt.
  let tokens: [Int32]

  /// Encodes a question for a model with this many positions.
  /// - Throws: `Fault` .badData naming file and line when the prompt alone has more tokens than that.
  init(_ question: String, file: String, line: Int, _ prompt: Prompt, positions: Int) throws {
    self.file = file
    self.line = line
    let least = prompt.leastTokenCount(for: question)
    // Encoding megabytes of text takes long.
    tokens = least > positions ? [] : prompt.encodedPrompt(for: question)
    guard least <= positions, tokens.count <= positions else {
      let count = least > positions ? "at least \(least)" : "\(tokens.count)"
      throw Fault(
        .badData, file: file, line: line,
        "the prompt has \(count) tokens; expected at most max_position_embeddings = \(positions)",
        hint: "the model was made for no longer texts: shorten the question, or what stands before it")
    }
  }

  /// A note about answers that may go on past the last position; nil where none can.
  static func positionsNote(_ questions: [EncodedQuestion], maxNewTokens: Int, positions: Int) -> String? {
    let count = questions.count { $0.tokens.count > positions - maxNewTokens }
    guard count > 0 else { return nil }
    return "note: \(count) of \(questions.count) prompts and evaluation.max_new_tokens = \(maxNewTokens) "
      + "make more than max_position_embeddings = \(positions): the model was made for no longer texts"
  }

  /// The fault when the model computes numbers for this question that are not finite.
  func fault(_ output: NonFiniteOutput) -> Fault {
    let part =
      switch output.part {
      case .embedding: "the embedding"
      case .layer(let index): "layer \(index) (counted from 0)"
      case .outputMap: "the map to the vocabulary"
      }
    return Fault(
      .failure, file: file, line: line,
      "token \(output.token) of the answer: the model computes NaN or infinity, first in \(part)",
      hint: "nothing was written; the weights are damaged, diverged, or too large for model.precision")
  }
}
