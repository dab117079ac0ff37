import CKernels
import Glibc

/// A chunk of a linear cross-entropy: C rows of hidden, computed one tile of the vocabulary after the other.
struct CrossEntropyChunk {
  /// The chunk's rows of hidden, and the whole of hidden and table.
  let rows: Range<Int>, hidden: Tensor, table: Tensor
  /// Targets of these rows.
  let ids: UnsafePointer<Int32>
  /// Soft cap, gradient scale, dTable.
  let options: CrossEntropyOptions
  /// How rows and vocabulary are cut.
  let tiling: VocabularyTiling
  /// The kernels whose workers compute.
  let kernels: CPUKernels

  /// V and D: rows and columns of the table.
  var vocabulary: Int { table.shape[0] }
  var width: Int { table.shape[1] }

  /// Columns of one tile.
  func columns(_ tile: Int) -> Range<Int> { tiling.columns(tile, of: vocabulary) }

  /// Computes losses and, if asked for, gradients of these rows.
  func run(_ result: CrossEntropyResult, _ products: some TileProducts) {
    withScratch((2 * tiling.tiles + 3) * rows.count) { scratch in
      let statistics = RowStatistics(scratch, rows: rows.count, tiles: tiling.tiles)
      kernels.parallel(tiling.tiles) { products.computeLogits($0, statistics) }
      computeLosses(statistics, result.losses.float32 + rows.lowerBound)
      guard let scale = options.gradientScale, let dHidden = result.dHidden else { return }
      computeGradients(products, statistics, scale, dHidden.rows(rows))
    }
  }

  /// Computes losses from the tiles' statistics, joined in float64 in the order of the tiles. For the
  /// gradient, it computes each row's largest logit, and one over its sum of exponentials.
  private func computeLosses(_ statistics: RowStatistics, _ losses: UnsafeMutablePointer<Float>) {
    kernels.parallel(over: rows.count, grain: 16) { range in
      for row in range {
        var top = statistics.largest(0)[row]
        for tile in 1..<max(1, tiling.tiles) { top = max(top, statistics.largest(tile)[row]) }
        var sum = 0.0
        for tile in 0..<tiling.tiles {
          sum +=
            Double(statistics.sums(tile)[row]) * exp(Double(statistics.largest(tile)[row]) - Double(top))
        }
        statistics.tops[row] = top
        statistics.inverses[row] = Float(1 / sum)
        losses[row] = Float(log(sum) + Double(top) - Double(statistics.targetLogits[row]))
      }
    }
  }

  /// Computes dHidden (replaced) and dTable (added to), one group of tiles after the other.
  private func computeGradients(
    _ products: some TileProducts, _ statistics: RowStatistics, _ scale: Float, _ dHidden: Tensor
  ) {
    let partCount = rows.count * width
    withScratch(tiling.groups * partCount) { parts in
      kernels.parallel(tiling.groups) { group in
        let part = parts + group * partCount
        let first = group * tiling.tiles / tiling.groups
        for tile in first..<(group + 1) * tiling.tiles / tiling.groups {
          products.addGradients(tile, statistics, scale, part, tile == first ? .replacing : .adding)
        }
      }
      kernels.parallel(over: partCount, grain: CPUKernels.elementGrain) { range in
        for group in 1..<max(1, tiling.groups) {
          ck_accumulate(
            Int32(CK_FLOAT32), parts + group * partCount + range.lowerBound, parts + range.lowerBound,
            range.count)
        }
        ck_convert(
          parts + range.lowerBound, Int32(CK_FLOAT32), 1,
          dHidden.bytes + range.lowerBound * dHidden.dtype.byteCount, dHidden.dtype.elementType, range.count)
      }
    }
  }
}

/// Statistics of a chunk's logits, row by row.
struct RowStatistics {
  private let floats: UnsafeMutablePointer<Float>
  private let rows: Int, tiles: Int

  /// Statistics in memory for (2 · tiles + 3) · rows floats.
  init(_ floats: UnsafeMutablePointer<Float>, rows: Int, tiles: Int) {
    (self.floats, self.rows, self.tiles) = (floats, rows, tiles)
  }

  /// A tile's largest logits, followed by its sums of e^(logit - largest).
  func largest(_ tile: Int) -> UnsafeMutablePointer<Float> { floats + (3 + 2 * tile) * rows }
  func sums(_ tile: Int) -> UnsafeMutablePointer<Float> { floats + (4 + 2 * tile) * rows }
  /// Logits of the targets.
  var targetLogits: UnsafeMutablePointer<Float> { floats }
  /// The largest logits over all tiles, followed by one over the sums of e^(logit - largest).
  var tops: UnsafeMutablePointer<Float> { floats + rows }
  var inverses: UnsafeMutablePointer<Float> { floats + 2 * rows }
}
