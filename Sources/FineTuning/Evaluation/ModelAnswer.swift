import GSM8K

/// A model's answer to one question.
struct ModelAnswer: Equatable, Sendable {
  /// The text as generated.
  var text: String
  /// The text, cut at the first stop string: what is scored and shown.
  var completion: String
  /// What ended it.
  var stop: StopReason
  /// Generated tokens.
  var tokenCount: Int
}
