/// One sequence of a batch: its queries and keys as runs of rows. The last query stands at the last key's
/// position.
package struct AttentionSegment: Sendable, Equatable {
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

  /// The four numbers as kernels read them, in the order in which they are declared.
  package var numbers: [Int32] { [queryStart, queryCount, keyStart, keyCount].map(Int32.init) }
}
