/// One example of GSM8K.
package struct Problem: Equatable, Sendable {
  /// Index in its file, from 0.
  package let id: Int
  /// The question as the file has it.
  package let question: String
  /// The worked answer: steps, then a last line `#### NUMBER`.
  package let answer: String

  /// A problem. Its answer must end in the line that `finalAnswer` reads; `loadProblems` checks that.
  package init(id: Int, question: String, answer: String) {
    self.id = id
    self.question = question
    self.answer = answer
  }

  /// The number after `####`, without thousands commas: "2125" for `#### 2,125`.
  package var finalAnswer: String { openAIAnswer(in: answer) ?? "" }
}

/// The two forms of GSM8K's answers.
package enum Variant: String, CaseIterable, Sendable {
  /// Plain steps.
  case main
  /// Every step comes after its sub-question: `How many ...? ** step`.
  case socratic
}

/// Pairs of ids of problems in `first` and `second` whose questions are the same, byte for byte. An
/// evaluation split that shares questions with the training split measures memory.
package func sharedQuestions(_ first: [Problem], _ second: [Problem]) -> [(first: Int, second: Int)] {
  let ids = Dictionary(
    first.map { (Array($0.question.utf8), $0.id) }, uniquingKeysWith: { earlier, _ in earlier })
  return second.compactMap { problem in ids[Array(problem.question.utf8)].map { ($0, problem.id) } }
}
