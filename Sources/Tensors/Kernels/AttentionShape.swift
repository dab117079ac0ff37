/// How the heads of attention lie in a row, and which keys a query sees of its sequence.
package struct AttentionShape: Sendable, Equatable {
  /// N, K and H.
  package var headCount: Int, keyValueHeadCount: Int, headDim: Int
  /// Factor of the scores.
  package var scale: Float
  /// W: query i sees key j if 0 <= i - j < W; nil sees all before it.
  package var window: Int?
  /// c: scores become c · tanh(score / c) before the mask; nil leaves them.
  package var softCap: Float?

  /// N, K, H, and how scores are scaled, masked and capped.
  package init(
    headCount: Int, keyValueHeadCount: Int, headDim: Int, scale: Float, window: Int? = nil,
    softCap: Float? = nil
  ) {
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headDim = headDim
    self.scale = scale
    self.window = window
    self.softCap = softCap
  }

  /// G: query heads of one key/value head.
  package var groupSize: Int { headCount / keyValueHeadCount }
}
