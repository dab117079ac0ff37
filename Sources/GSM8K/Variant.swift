/// The two forms of GSM8K's answers.
package enum Variant: String, CaseIterable, Sendable {
  /// Plain steps.
  case main
  /// Every step comes after its sub-question: `How many ...? ** step`.
  case socratic
}
