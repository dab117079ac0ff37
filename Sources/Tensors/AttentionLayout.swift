/// Which keys each query sees, and how the heads lie in a row.
package struct AttentionLayout: Sendable, Equatable {
  /// One sequence: its queries and keys as runs of rows. The last query stands at the last key's position.
  package struct Segment: Sendable, Equatable {
    /// First row of q and o, and how many.
    package var queryStart: Int, queryCount: Int
    /// First row of k and v, and how many; at least `queryCount`.
    package var keyStart: Int, keyCount: Int

    /// Queries `queryStart..<queryStart + queryCount` over keys `keyStart..<keyStart + keyCount`.
    package init(queryStart: Int, queryCount: Int, keyStart: Int, keyCount: Int) {
      self.queryStart = queryStart
      self.queryCount = queryCount
      self.keyStart = keyStart
      self.keyCount = keyCount
    }
  }

  /// The sequences; queries of all segments cover q's rows without overlap.
  package var segments: [Segment]
  /// N, K and H.
  package var headCount: Int, keyValueHeadCount: Int, headDim: Int
  /// Factor of the scores.
  package var scale: Float
  /// W: query i sees key j if 0 <= i - j < W; nil sees all before it.
  package var window: Int?
  /// c: scores become c · tanh(score / c) before the mask; nil leaves them.
  package var softCap: Float?

  /// All of it.
  package init(
    segments: [Segment], headCount: Int, keyValueHeadCount: Int, headDim: Int, scale: Float,
    window: Int? = nil, softCap: Float? = nil
  ) {
    self.segments = segments
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headDim = headDim
    self.scale = scale
    self.window = window
    self.softCap = softCap
  }

  /// G: query heads of one key/value head.
  package var groupSize: Int { headCount / keyValueHeadCount }

  /// Stops when shapes, dtypes or segments do not fit together.
  func requireFit(_ name: String, _ q: Tensor, _ k: Tensor, _ v: Tensor) {
    precondition(
      keyValueHeadCount > 0 && headCount % keyValueHeadCount == 0 && q.rowLength == headCount * headDim
        && k.shape == v.shape && k.rowLength == keyValueHeadCount * headDim && k.dtype == q.dtype
        && v.dtype == q.dtype,
      "\(name): q \(q.shape) \(q.dtype), k \(k.shape) \(k.dtype), v \(v.shape) \(v.dtype), "
        + "N \(headCount), K \(keyValueHeadCount), H \(headDim)")
    precondition((window ?? 1) > 0, "\(name): window \(window ?? 0), expected 1 or more")
    for segment in segments {
      precondition(
        segment.queryStart >= 0 && segment.queryCount >= 0
          && segment.queryStart + segment.queryCount <= q.rowCount
          && segment.keyStart >= 0 && segment.keyCount >= segment.queryCount
          && segment.keyStart + segment.keyCount <= k.rowCount,
        "\(name): \(segment), q \(q.shape), k \(k.shape)")
    }
  }
}
