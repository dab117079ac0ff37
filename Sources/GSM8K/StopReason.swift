/// What ended a completion.
package enum StopReason: String, CaseIterable, Sendable {
  /// The end-of-sequence token.
  case endOfSequence = "eos"
  /// The end-of-turn token.
  case endOfTurn = "end_of_turn"
  /// One of the stop strings.
  case stopString = "stop_string"
  /// The limit `max_new_tokens`.
  case length
}
