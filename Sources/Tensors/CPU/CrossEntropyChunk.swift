import CKernels
import Glibc

/// Some rows of a linear cross-entropy: C rows whose logits fit in `logits`, tile after tile of [C, tile's columns].
struct CrossEntropyChunk {
  /// Rows of hidden, and the whole of hidden and table.
  let rows: Range<Int>, hidden: Tensor, table: Tensor
  /// Targets of these rows.
  let ids: UnsafePointer<Int32>
  /// Soft cap, gradient scale, dTable.
  let options: CrossEntropyOptions
  /// How rows and vocabulary are cut.
  let tiling: VocabularyTiling
  /// C · V floats.
  let logits: UnsafeMutablePointer<Float>
  /// Workers.
  let kernels: CPUKernels

  /// Rows and columns of the table.
  var vocabulary: Int { table.shape[0] }
  var width: Int { table.shape[1] }

  /// Computes losses and, if asked for, gradients of these rows.
  func run(_ result: CrossEntropyResult) {
    if kernels.hasPairProducts && hidden.dtype == .bfloat16 && table.dtype == .bfloat16 {
      PairTileProducts.with(self) { run(result, $0) }
    } else {
      let part = hidden.rows(rows)
      run(
        result,
        PanelTileProducts(
          wide: part.dtype == .float32 ? part : kernels.converted(part, to: .float32, scale: 1), chunk: self))
    }
  }

  private func run(_ result: CrossEntropyResult, _ products: some TileProducts) {
    let statistics = Tensor(uninitialized: [2, tiling.tiles, rows.count], .float32)
    computeLogits(products, largest: statistics.rows(0..<1), sums: statistics.rows(1..<2))
    let normalizers = Tensor(uninitialized: [2, rows.count], .float32)
    computeLosses(statistics, normalizers, result.losses.float32 + rows.lowerBound)
    guard let scale = options.gradientScale, let dHidden = result.dHidden else { return }
    computeGradients(products, normalizers, scale, dHidden.rows(rows))
  }

  /// Where a tile's logits are.
  func tileLogits(_ tile: Int) -> UnsafeMutablePointer<Float> {
    logits + rows.count * tile * tiling.tileColumns
  }

  /// Logits of all tiles, and each tile's largest element and sum of exponentials, row by row.
  private func computeLogits(_ products: some TileProducts, largest: Tensor, sums: Tensor) {
    kernels.parallel(tiling.tiles) { tile in
      let columns = tiling.columns(tile, of: vocabulary)
      products.computeLogits(columns, tileLogits(tile))
      if let cap = options.softCap { ck_soft_cap(tileLogits(tile), cap, rows.count * columns.count) }
      ck_row_statistics(
        tileLogits(tile), rows.count, columns.count, largest.float32 + tile * rows.count,
        sums.float32 + tile * rows.count)
    }
  }

  /// Losses from the tiles' statistics, joined in float64 in the tiles' order; and for the gradient, each row's largest
  /// logit and one over its sum of exponentials.
  private func computeLosses(
    _ statistics: Tensor, _ normalizers: Tensor, _ losses: UnsafeMutablePointer<Float>
  ) {
    let largest = UnsafePointer(statistics.float32)
    let sums = largest + tiling.tiles * rows.count
    let (tops, inverses) = (normalizers.float32, normalizers.float32 + rows.count)
    kernels.parallel(over: rows.count, grain: 16) { range in
      for row in range {
        var top = largest[row]
        for tile in 1..<max(1, tiling.tiles) { top = max(top, largest[tile * rows.count + row]) }
        var sum = 0.0
        for tile in 0..<tiling.tiles {
          let at = tile * rows.count + row
          sum += Double(sums[at]) * exp(Double(largest[at]) - Double(top))
        }
        tops[row] = top
        inverses[row] = Float(1 / sum)
        losses[row] = Float(log(sum) + Double(top) - Double(targetLogit(row).pointee))
      }
    }
  }

  /// Where the logit of a row's target is.
  func targetLogit(_ row: Int) -> UnsafeMutablePointer<Float> {
    let id = Int(ids[row])
    let tile = id / tiling.tileColumns
    let columns = tiling.columns(tile, of: vocabulary)
    return tileLogits(tile) + row * columns.count + id - columns.lowerBound
  }

  /// dHidden (replaced) and dTable (added to), group of tiles by group of tiles.
  private func computeGradients(
    _ products: some TileProducts, _ normalizers: Tensor, _ scale: Float, _ dHidden: Tensor
  ) {
    let partCount = rows.count * width
    withScratch(tiling.groups * partCount) { parts in
      kernels.parallel(tiling.groups) { group in
        let part = parts + group * partCount
        let first = group * tiling.tiles / tiling.groups
        for tile in first..<(group + 1) * tiling.tiles / tiling.groups {
          products.addGradients(tile, normalizers, scale, part, tile == first ? .replacing : .adding)
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
