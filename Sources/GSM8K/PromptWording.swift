import Files

/// How a question becomes the text that the model answers, in training and evaluation alike.
///
/// With an instruction "Solve." and the example ("1 + 1?", "#### 2"), `prompt(for: "2 + 3?")` is
/// ```
/// Solve.
///
/// Question: 1 + 1?
/// Answer: #### 2
///
/// Question: 2 + 3?
/// Answer:
/// ```
/// and `target(for: "#### 5")` is `" #### 5"`. Without instruction and examples, only the last two lines
/// remain. In the chat form this text is the user's turn, to which the tokenizer adds the turn marks. The
/// target then opens the model's turn and has no leading blank.
package struct PromptWording: Equatable, Sendable {
  /// The kinds of frame around the question.
  package enum Template: String, CaseIterable, Sendable {
    /// Running text.
    case plain
    /// Gemma's turns.
    case chat
  }

  /// A worked example shown before the question.
  package struct Example: Equatable, Sendable {
    /// The question.
    package let question: String
    /// The worked answer, with its final line.
    package let answer: String

    /// An example, worded as in the data.
    package init(question: String, answer: String) {
      self.question = question
      self.answer = answer
    }
  }

  /// The kind of frame around the question.
  package let template: Template
  /// Text before everything else; nil or empty for none.
  package let instruction: String?
  /// Worked examples, in the order shown.
  package let examples: [Example]

  /// A wording. Without instruction and examples it is the zero-shot wording of training.
  package init(template: Template, instruction: String? = nil, examples: [Example] = []) {
    self.template = template
    self.instruction = instruction
    self.examples = examples
  }

  /// The whole prompt in the plain form, or the content of the user's turn in the chat form.
  package func prompt(for question: String) -> String {
    let opening = [instruction].compactMap { $0 }.filter { !$0.isEmpty }
    let shown = examples.map { "Question: \($0.question)\nAnswer: \($0.answer)" }
    return (opening + shown + ["Question: \(question)\nAnswer:"]).joined(separator: "\n\n")
  }

  /// The text after `prompt` that the model should learn.
  package func target(for answer: String) -> String {
    template == .plain ? " " + answer : answer
  }

  /// Everything that the wording depends on, for hashing.
  package var json: JSONValue {
    .object([
      "template": .string(template.rawValue), "instruction": instruction.map { .string($0) } ?? .null,
      "examples": .array(
        examples.map { .object(["question": .string($0.question), "answer": .string($0.answer)]) }),
    ])
  }
}
