/// A completion scored against its problem by all three definitions.
package struct ScoredAnswer: Equatable, Sendable {
  /// Index of the problem in its file.
  package let id: Int
  /// The text that was scored.
  package let completion: String
  /// lm-evaluation-harness's strict extraction; nil where it finds none. `extracted` in predictions.jsonl.
  package let extracted: String?
  /// lm-evaluation-harness's flexible extraction; nil where it finds none.
  package let extractedFlexible: String?
  /// OpenAI's extraction; nil where it finds none.
  package let extractedOpenAI: String?
  /// Whether the answer is right by the strict definition, the one that is quoted.
  package let correct: Bool
  /// Whether it is right by the flexible definition.
  package let correctFlexible: Bool
  /// Whether it is right by OpenAI's definition.
  package let correctOpenAI: Bool

  /// Scores `completion`, which has been cut at its stop strings.
  package init(_ completion: String, to problem: Problem) {
    id = problem.id
    self.completion = completion
    extracted = strictAnswer(in: completion)
    extractedFlexible = flexibleAnswer(in: completion)
    extractedOpenAI = openAIAnswer(in: completion)
    correct = isCorrectByHarness(extracted, reference: problem.answer)
    correctFlexible = isCorrectByHarness(extractedFlexible, reference: problem.answer)
    correctOpenAI = isCorrectByOpenAI(completion, reference: problem.answer)
  }

  /// Whether the definitions disagree about this answer.
  package var definitionsDisagree: Bool { correct != correctFlexible || correct != correctOpenAI }
}
