import CKernels

extension CPUKernels {
  /// Whether the processor can compare 8-bit codes (AVX512_VNNI).
  package static var canScreen: Bool { ck_has_screening() != 0 }

  /// Ids over all rows of the table, for at most 256 rows of hidden.
  func argmax(_ hidden: Tensor, _ table: Tensor, into ids: UnsafeMutablePointer<Int32>) {
    let (rows, vocabulary) = (hidden.shape[0], table.shape[0])
    // The logits of a tile stay in the cache. The system need not hand out new memory for them each time.
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

  /// Ids over some rows of the table, which are in ascending order.
  func argmax(
    _ hidden: Tensor, among candidates: [Int32], of table: Tensor, into ids: UnsafeMutablePointer<Int32>
  ) {
    argmax(hidden, gathered(table, rows: Tensor(candidates)), into: ids)
    for row in 0..<hidden.shape[0] where ids[row] >= 0 { ids[row] = candidates[Int(ids[row])] }
  }
}
