/// How attention heads lie in a row, and which keys of its sequence a query sees.
package struct AttentionShape: Sendable, Equatable {
  /// N, K and H.
  package var headCount: Int, keyValueHeadCount: Int, headDim: Int
  /// Factor of the scores.
  package var scale: Float
  /// W: query i sees key j if 0 <= i - j < W. Without W it sees all keys up to its own position.
  package var window: Int?
  /// c: scores become c · tanh(score / c) before the mask; nil leaves them.
  package var softCap: Float?

  /// N, K and H; scale, mask and cap of the scores.
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

  /// G: number of query heads that share a key/value head.
  package var groupSize: Int { headCount / keyValueHeadCount }
}
