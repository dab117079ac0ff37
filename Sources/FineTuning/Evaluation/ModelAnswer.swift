import GSM8K

/// A model's answer to one question.
struct ModelAnswer: Equatable, Sendable {
  /// The text as generated.
  var text: String
  /// The text up to the first stop string, which is scored and shown.
  var completion: String
  /// What ended the answer.
  var stop: StopReason
  /// Number of generated tokens.
  var tokenCount: Int
}
