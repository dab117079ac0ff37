/// One example of GSM8K.
package struct Problem: Equatable, Sendable {
  /// Index in its file, from 0.
  package let id: Int
  /// The question as the file has it.
  package let question: String
  /// The worked answer: steps, then a last line `#### NUMBER`.
  package let answer: String

  /// A problem. Its answer must end in a line that `openAIAnswer` reads, which `loadProblems` checks.
  package init(id: Int, question: String, answer: String) {
    self.id = id
    self.question = question
    self.answer = answer
  }
}
