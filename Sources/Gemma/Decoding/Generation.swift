/// One decoded answer.
package struct Generation: Equatable, Sendable {
  /// What ended an answer.
  package enum Stop: Equatable, Sendable {
    /// A token that ends a sequence or turn; it is not among the tokens.
    case token(Int32)
    /// The caller's test of the tokens so far.
    case text
    /// The limit of new tokens.
    case length
  }

  /// The new tokens, without the prompt and without the token that ended the answer.
  package var tokens: [Int32] = []
  /// What ended the answer.
  package var stop: Stop = .length

  /// An answer so far, and what ended it.
  package init(tokens: [Int32] = [], stop: Stop = .length) {
    self.tokens = tokens
    self.stop = stop
  }
}
