import CKernels

extension CPUKernels {
  /// The table with 8-bit codes of its rows, where both it and the processor allow screening (`argmaxLogits`): half as many
  /// bytes again as it has. Reads all of it.
  package func vocabularyTable(_ table: Tensor) -> VocabularyTable {
    let isScreened =
      hasPairProducts && Self.canScreen && table.dtype == .bfloat16
      && table.byteCount >= Self.smallestScreened
    return VocabularyTable(table, codes: isScreened ? VocabularyCodes(table, self) : nil)
  }

  /// The id with the largest logit of each row of hidden [M, D], the lowest id on ties, -1 for a row with a logit that is
  /// not finite.  - Returns: int32 [M].
  ///
  /// A soft cap does not change the order, so none is applied. With codes, bounds of all logits are computed from them, and
  /// logits of those rows of the table that may have the largest: the same ids from half the memory traffic. What has
  /// codes has elements of 10¹⁵ at the most, and so has no logit that is not finite.
  package func argmaxLogits(_ hidden: Tensor, _ table: VocabularyTable) -> Tensor {
    let rows = table.rows
    precondition(
      hidden.shape[1] == rows.shape[1], "argmaxLogits: hidden \(hidden.shape), table \(rows.shape)")
    let ids = Tensor(uninitialized: [hidden.shape[0]], .int32)
    for start in stride(from: 0, to: hidden.shape[0], by: Self.argmaxRows) {
      let part = hidden.rows(start..<min(hidden.shape[0], start + Self.argmaxRows))
      if let codes = table.codes, hidden.dtype == .bfloat16,
        let candidates = VocabularyScreening(part, codes)?.candidates(self)
      {
        argmax(part, among: candidates, of: rows, into: ids.int32 + start)
      } else {
        argmax(part, rows, into: ids.int32 + start)
      }
    }
    return ids
  }

  /// Whether the processor compares 8-bit codes (AVX512_VNNI).
  package static var canScreen: Bool { ck_has_screening() != 0 }

  /// Bytes of a table from which on it pays: smaller ones are read from the cache.
  private static let smallestScreened = 1 << 20

  /// Rows of hidden whose logits are computed at a time.
  private static let argmaxRows = 256

  private func argmax(_ hidden: Tensor, _ table: Tensor, into ids: UnsafeMutablePointer<Int32>) {
    let (rows, vocabulary) = (hidden.shape[0], table.shape[0])
    // Logits of a tile stay in the cache, and are no memory that the system hands out anew each time.
    let step = max(512, min(4096, (1 << 14) / rows / 16 * 16))
    let tiles = (vocabulary + step - 1) / step
    let best = Tensor(uninitialized: [tiles, rows], .int32)
    let largest = Tensor(uninitialized: [tiles, rows], .float32)
    let inPairs = hasPairProducts && hidden.dtype == .bfloat16 && table.dtype == .bfloat16
    let left = inPairs || hidden.dtype == .float32 ? hidden : converted(hidden, to: .float32, scale: 1)
    let single = CPUKernels(threads: 1, products: hasPairProducts ? .automatic : .openBLAS)
    parallel(tiles) { tile in
      let part = table.rows(tile * step..<min(vocabulary, (tile + 1) * step))
      let logits = Tensor(uninitialized: [rows, part.shape[0]], .float32)
      single.multiply(.stored(left), .transposed(part), scale: 1, .replacing, logits)
      ck_row_argmax(
        logits.float32, rows, part.shape[0], part.shape[0], best.int32 + tile * rows,
        largest.float32 + tile * rows)
    }
    for row in 0..<rows {
      var (most, id) = (-Float.infinity, Int32(-1))
      for tile in 0..<tiles {
        let place = tile * rows + row
        if best.int32[place] < 0 {
          id = -1
          break
        }
        if id >= 0, largest.float32[place] <= most { continue }
        (most, id) = (largest.float32[place], Int32(tile * step) + best.int32[place])
      }
      ids[row] = id
    }
  }

  /// The same over some rows of the table, in ascending order.
  private func argmax(
    _ hidden: Tensor, among candidates: [Int32], of table: Tensor, into ids: UnsafeMutablePointer<Int32>
  ) {
    argmax(hidden, gathered(table, rows: Tensor(candidates)), into: ids)
    for row in 0..<hidden.shape[0] where ids[row] >= 0 { ids[row] = candidates[Int(ids[row])] }
  }
}
