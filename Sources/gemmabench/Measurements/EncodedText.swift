import Files
import FineTuning
import GSM8K
import Gemma
import Tensors

/// GSM8K's text as token ids.
struct EncodedText {
  let tokenizer: Tokenizer
  let wording = PromptWording(template: .plain)

  /// The tokenizer of a model folder.
  /// - Throws: `Fault`.
  init(model: String) throws {
    tokenizer = try Tokenizer(contentsOf: "\(model)/tokenizer.model")
  }

  /// `[bos] + prompt` of the first `count` test questions.
  func prompts(data: String, count: Int) throws -> [[Int32]] {
    try loadProblems(folder: data, split: "test", variant: .main, limit: count).map {
      [tokenizer.bosId] + tokenizer.encode(wording.prompt(for: $0.question))
    }
  }

  /// A batch of `size` sequences of exactly `length` tokens, cut from the training examples laid end to end.
  /// The second half of each sequence is the target.
  func batch(data: String, size: Int, length: Int) throws -> TokenBatch {
    let problems = try loadProblems(folder: data, split: "train", variant: .main)
    var ids: [Int32] = []
    for problem in problems where ids.count < size * length {
      ids += tokenizer.encode(wording.prompt(for: problem.question) + wording.target(for: problem.answer))
    }
    guard ids.count >= size * length else {
      throw Fault(
        .badData, file: data, "\(ids.count) training tokens; the measurement needs \(size * length)")
    }
    var batch = TokenBatch()
    for start in stride(from: 0, to: size * length, by: length) {
      batch.append(Array(ids[start..<start + length]), promptLength: length / 2)
    }
    return batch
  }
}
