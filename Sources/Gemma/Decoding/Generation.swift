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

  /// The new tokens, without the prompt and without the one that ended the answer.
  package var tokens: [Int32] = []
  /// What ended it.
  package var stop: Stop = .length

  /// An answer so far, and what ended it.
  package init(tokens: [Int32] = [], stop: Stop = .length) {
    self.tokens = tokens
    self.stop = stop
  }
}

/// How much a decoder does at a time; the answers are the same but for rounding.
package struct DecodingLimits: Sendable {
  /// Prompts answered side by side; a row whose answer ends takes the next prompt.
  package var rows: Int
  /// Tokens of one pass through the model: what bounds the memory of its activations. Longer prompts are read in parts.
  package var tokensPerPass: Int
  /// Tokens that all prompts must have in common at their start for these to be computed only once.
  package var shortestSharedPrefix: Int

  /// Limits: by default all prompts side by side, and a prefix shared once it is worth a pass of its own.
  package init(rows: Int = .max, tokensPerPass: Int = 2048, shortestSharedPrefix: Int = 16) {
    precondition(rows > 0 && tokensPerPass > 0, "DecodingLimits: \(rows) rows, \(tokensPerPass) tokens")
    self.rows = rows
    self.tokensPerPass = tokensPerPass
    self.shortestSharedPrefix = shortestSharedPrefix
  }
}
