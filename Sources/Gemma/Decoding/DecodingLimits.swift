/// How much a decoder does at a time. The answers are the same except for rounding.
package struct DecodingLimits: Sendable {
  /// Slots: prompts answered side by side. When an answer ends, the next prompt takes its slot.
  package var rows: Int
  /// Most tokens of a forward pass, which bounds its activations' memory. Longer prompts are read in parts.
  package var tokensPerPass: Int
  /// Fewest tokens that all prompts must share at their start for the prefix to be computed only once.
  package var shortestSharedPrefix: Int

  /// By default all prompts are answered side by side, and a shared prefix gets a forward pass of its own
  /// from 16 tokens on.
  package init(rows: Int = .max, tokensPerPass: Int = 2048, shortestSharedPrefix: Int = 16) {
    precondition(rows > 0 && tokensPerPass > 0, "DecodingLimits: \(rows) rows, \(tokensPerPass) tokens")
    self.rows = rows
    self.tokensPerPass = tokensPerPass
    self.shortestSharedPrefix = shortestSharedPrefix
  }
}
