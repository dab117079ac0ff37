import Tensors

/// Sequences laid end to end without padding, and the tokens to be predicted in them.
package struct TokenBatch: Sendable, Equatable {
  /// All tokens, [T].
  package private(set) var ids: [Int32] = []
  /// Position of each token in its own sequence, [T].
  package private(set) var positions: [Int32] = []
  /// Where each sequence begins in `ids`, then T: [sequences + 1].
  package private(set) var offsets: [Int] = [0]
  /// Rows whose next token is a target, ascending, [M].
  package private(set) var targetRows: [Int32] = []
  /// The token that follows each target row, [M].
  package private(set) var targets: [Int32] = []

  /// An empty batch.
  package init() {}

  /// Adds one sequence. Its tokens from `promptLength` on are targets, except for its first token.
  ///
  /// `append([2, 7, 8, 1], promptLength: 2)` predicts 8 from row 1 and 1 from row 2.
  package mutating func append(_ sequence: [Int32], promptLength: Int) {
    let start = ids.count
    ids += sequence
    positions += sequence.indices.map(Int32.init)
    for target in max(1, promptLength)..<max(1, sequence.count, promptLength) where target < sequence.count {
      targetRows.append(Int32(start + target - 1))
      targets.append(sequence[target])
    }
    offsets.append(ids.count)
  }

  /// Number of tokens (T).
  package var tokenCount: Int { ids.count }
  /// Number of targets (M).
  package var targetCount: Int { targets.count }
  /// Number of sequences.
  package var sequenceCount: Int { offsets.count - 1 }

  /// One segment a sequence: each sequence attends to itself.
  var segments: [AttentionSegment] {
    zip(offsets, offsets.dropFirst()).map { start, end in
      .init(queryStart: start, queryCount: end - start, keyStart: start, keyCount: end - start)
    }
  }
}
