import Files
import GSM8K
import Gemma

/// How questions and answers become tokens, the same for training and evaluation.
///
/// BOS is added as an id, exactly once. The hash tells two prompts apart. It is stored with the weights, so
/// that `eval` can say when the prompts of training and evaluation differ.
package struct Prompt: Sendable {
  /// The model's tokenizer.
  package let tokenizer: Tokenizer
  /// The text around question and answer.
  package let wording: PromptWording
  /// Tokens that end an answer: end of sequence, and end of turn if the tokenizer has it.
  package let stopIds: Set<Int32>
  /// The token that ends a training target.
  private let endId: Int32
  private let turns: ChatTurns?

  /// The prompt of a wording for a model.
  /// - Throws: `Fault` when the wording needs turn marks and the tokenizer has none.
  package init(
    _ wording: PromptWording, _ tokenizer: Tokenizer, _ configuration: ModelConfiguration
  ) throws {
    self.tokenizer = tokenizer
    self.wording = wording
    turns =
      wording.template == .chat ? try ChatTurns(tokenizer) : nil
    endId = turns?.endOfTurnId ?? tokenizer.eosId
    let ends = [tokenizer.eosId, tokenizer.endOfTurnId ?? tokenizer.eosId]
    stopIds = Set(ends + configuration.eosTokenIds.map(Int32.init))
  }

  /// `[bos] + prompt`.
  package func encodedPrompt(for question: String) -> [Int32] {
    let text = wording.prompt(for: question)
    return turns.map { $0.prompt(text) } ?? [tokenizer.bosId] + tokenizer.encode(text)
  }

  /// A lower bound on the tokens of a question's prompt and an answer after it, known without encoding them.
  package func leastTokenCount(for question: String, _ answer: String = "") -> Int {
    let text = wording.prompt(for: question)
    return 1 + tokenizer.leastCount(of: turns == nil ? text : ChatTurns.text(user: text))
      + tokenizer.leastCount(of: answer)
  }

  /// `answer + [end]`.
  package func encodedTarget(for answer: String) -> [Int32] {
    tokenizer.encode(wording.target(for: answer)) + [endId]
  }

  /// FNV-1a, 64 bits, in hexadecimal, of everything that decides the tokens of a prompt.
  package var hash: String {
    let parts = JSONValue.object([
      "wording": wording.json, "bos": .int(Int(tokenizer.bosId)), "end": .int(Int(endId)),
      "stops": .array(stopIds.sorted().map { .int(Int($0)) }),
    ])
    let hash = parts.text().utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { hash, byte in
      (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

extension PromptWording {
  /// The wording of training, without instruction and examples.
  package init(training configuration: RunConfiguration) {
    self.init(template: configuration.prompt.template)
  }

  /// The wording of evaluation.
  package init(evaluation configuration: RunConfiguration) {
    let shown = configuration.evaluation.shots > 0 ? configuration.evaluation.example : nil
    self.init(
      template: configuration.prompt.template, instruction: configuration.evaluation.instruction,
      examples: shown.map { [Example(question: $0.question, answer: $0.answer)] } ?? [])
  }
}
