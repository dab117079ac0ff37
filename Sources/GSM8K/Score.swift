/// The number of right answers, and what it says about the model.
package struct Score: Equatable, Sendable {
  /// Number of answers scored.
  package let count: Int
  /// Number of answers that are right by the strict definition.
  package let correct: Int
  /// Number of answers that are right by the flexible definition.
  package let correctFlexible: Int
  /// Number of answers that are right by OpenAI's definition.
  package let correctOpenAI: Int

  /// The score of these answers.
  package init(of answers: [ScoredAnswer]) {
    count = answers.count
    correct = answers.count { $0.correct }
    correctFlexible = answers.count { $0.correctFlexible }
    correctOpenAI = answers.count { $0.correctOpenAI }
  }

  /// The score with these counts.
  package init(count: Int, correct: Int, correctFlexible: Int, correctOpenAI: Int) {
    self.count = count
    self.correct = correct
    self.correctFlexible = correctFlexible
    self.correctOpenAI = correctOpenAI
  }

  /// Share of right answers by the strict definition, 0 to 1; 0 where nothing was scored.
  package var exactMatch: Double { share(correct) }
  /// Share of right answers by the flexible definition.
  package var exactMatchFlexible: Double { share(correctFlexible) }
  /// Share of right answers by OpenAI's definition.
  package var exactMatchOpenAI: Double { share(correctOpenAI) }
  /// Wilson's 95 % interval for `exactMatch`.
  package var confidenceInterval: ClosedRange<Double> { wilsonInterval(correct: correct, count: count) }

  private func share(_ part: Int) -> Double { count == 0 ? 0 : Double(part) / Double(count) }
}
