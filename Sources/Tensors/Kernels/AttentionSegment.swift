/// One sequence of a batch: its queries and its keys as runs of rows.
/// The last query stands at the last key's position.
package struct AttentionSegment: Sendable, Equatable {
  /// First row of q and o, and number of rows.
  package var queryStart: Int, queryCount: Int
  /// First row of k and v, and number of rows; at least `queryCount`.
  package var keyStart: Int, keyCount: Int

  /// Queries `queryStart..<queryStart + queryCount` over keys `keyStart..<keyStart + keyCount`.
  package init(queryStart: Int, queryCount: Int, keyStart: Int, keyCount: Int) {
    self.queryStart = queryStart
    self.queryCount = queryCount
    self.keyStart = keyStart
    self.keyCount = keyCount
  }

  /// The four numbers in the order of their declaration, as kernels read them.
  package var numbers: [Int32] { [queryStart, queryCount, keyStart, keyCount].map(Int32.init) }
}
