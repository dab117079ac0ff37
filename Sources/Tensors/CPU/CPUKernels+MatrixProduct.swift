import CKernels
import Glibc

extension CPUKernels {
  /// c = scale · op(a) · op(b), or c plus that: `MK, KN -> MN`, any mix of float32 and bfloat16.
  ///
  /// Two bfloat16 factors are multiplied pair by pair (`multiplyPairs`, `multiplyThinPairs`) if the processor
  /// can do that. `multiplyLowRank` takes float32 factors of low rank. Otherwise bfloat16 factors are widened
  /// panel by panel: of `b`, where weights stand, never more than one tile's columns for each worker; of `a`
  /// at most `ProductTiling.widenedLimit` elements. With up to `thinRows` rows of `a` and a transposed `b`,
  /// `b` is read once, without copies. Sums are float32 and rounded once to c's dtype.
  /// - Accuracy: within 2 sqrt(K) float32 roundings of |a|·|b| (MatrixProductTests).
  /// Source: Goto & van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication" (OpenBLAS sgemm).
  package func multiply(_ a: Operand, _ b: Operand, scale: Float, _ store: Store, _ c: Tensor) {
    Requirements.multiply(a, b, c)
    if c.count == 0 { return }
    let hasPairs = hasPairProducts && a.tensor.dtype == .bfloat16 && b.tensor.dtype == .bfloat16
    if case .stored(let x) = a, case .transposed(let weight) = b, a.rowCount <= Self.thinRows {
      if hasPairs {
        multiplyThinPairs(x, weight, scale: scale, store, c)
      } else {
        multiplyThin(x, weight, scale: scale, store, c)
      }
    } else if hasPairs {
      multiplyPairs(a, b, scale: scale, store, c)
    } else if !hasPairProducts || !multiplyLowRank(a, b, scale: scale, store, c) {
      multiplyTiled(Factor(a), Factor(b), scale: scale, store, c)
    }
  }

  /// The most rows of `a` for which a product with a transposed `b` uses neither sgemm nor widened panels.
  static var thinRows: Int { 64 }

  private func multiplyThin(_ x: Tensor, _ weight: Tensor, scale: Float, _ store: Store, _ c: Tensor) {
    let wide = x.dtype == .float32 ? x : converted(x, to: .float32, scale: 1)
    let (rows, inner) = (weight.shape[0], weight.shape[1])
    let grain = max(8, min(512, 65536 / max(1, inner) / 8 * 8))
    parallel(over: rows, grain: grain) { range in
      var factors = ck_thin_factors()
      factors.x = UnsafePointer(wide.float32)
      factors.w = UnsafeRawPointer(weight.bytes + range.lowerBound * inner * weight.dtype.byteCount)
      factors.c = c.bytes + range.lowerBound * c.dtype.byteCount
      factors.x_rows = x.shape[0]
      factors.w_rows = range.count
      factors.inner = inner
      factors.c_stride = rows
      factors.w_type = weight.dtype.elementType
      factors.c_type = c.dtype.elementType
      factors.adding = store == .adding ? 1 : 0
      factors.scale = scale
      ck_thin_product(&factors)
    }
  }

  private func multiplyTiled(_ a: Factor, _ b: Factor, scale: Float, _ store: Store, _ c: Tensor) {
    let tiling = ProductTiling(rows: a.rows, columns: b.columns, inner: a.columns)
    let shared = a.isWide || tiling.columnTiles == 1 ? nil : tiling.blockRows
    for start in stride(from: 0, to: a.rows, by: shared ?? a.rows) {
      let block = start..<min(a.rows, start + (shared ?? a.rows))
      withScratch(shared == nil ? 0 : block.count * a.columns) { wide in
        let left = shared == nil ? nil : widened(a, rows: block, into: wide)
        let rowTiles = (block.count + tiling.tileRows - 1) / tiling.tileRows
        parallel(rowTiles * tiling.columnTiles) { tile in
          let first = block.lowerBound + tile / tiling.columnTiles * tiling.tileRows
          let rows = first..<min(block.upperBound, first + tiling.tileRows)
          let column = tile % tiling.columnTiles * tiling.tileColumns
          let columns = column..<min(b.columns, column + tiling.tileColumns)
          let own = left.map { $0.rows(rows.lowerBound - block.lowerBound) }
          productTile(a, b, own, rows, columns, scale: scale, store, c)
        }
      }
    }
  }

  /// One tile of c. `left` is op(a)'s rows, if they have been widened already.
  private func productTile(
    _ a: Factor, _ b: Factor, _ left: Panel?, _ rows: Range<Int>, _ columns: Range<Int>, scale: Float,
    _ store: Store, _ c: Tensor
  ) {
    let inner = a.columns
    withScratch(left == nil && !a.isWide ? rows.count * inner : 0) { aScratch in
      withScratch(b.isWide ? 0 : inner * columns.count) { bScratch in
        let aPanel = left ?? a.panel(rows, 0..<inner, scratch: aScratch)
        let bPanel = b.panel(0..<inner, columns, scratch: bScratch)
        let size = ProductSize(rows: rows.count, columns: columns.count, inner: inner)
        let offset = rows.lowerBound * b.columns + columns.lowerBound
        if c.dtype == .float32 {
          size.multiply(aPanel, bPanel, scale, store, c.float32 + offset, stride: b.columns)
        } else {
          productTileRounded(size, aPanel, bPanel, scale, store, c.bfloat16 + offset, stride: b.columns)
        }
      }
    }
  }

  private func productTileRounded(
    _ size: ProductSize, _ a: Panel, _ b: Panel, _ scale: Float, _ store: Store,
    _ c: UnsafeMutablePointer<UInt16>, stride: Int
  ) {
    withScratch(size.rows * size.columns) { sums in
      if store == .adding { ck_widen_block(c, stride, sums, size.rows, size.columns) }
      size.multiply(a, b, scale, store, sums, stride: size.columns)
      ck_round_block(sums, c, stride, size.rows, size.columns)
    }
  }

  /// Rows of a bfloat16 factor as a float32 panel in `scratch`, which all workers widen.
  private func widened(_ factor: Factor, rows: Range<Int>, into scratch: UnsafeMutablePointer<Float>) -> Panel
  {
    let (storedRows, storedColumns) = factor.stored(rows, 0..<factor.columns)
    let grain = max(1, 65536 / max(1, storedColumns.count))
    parallel(over: storedRows.count, grain: grain) { part in
      let from = storedRows.lowerBound + part.lowerBound
      factor.widen(
        from..<from + part.count, storedColumns, into: scratch + part.lowerBound * storedColumns.count)
    }
    return Panel(
      elements: UnsafePointer(scratch), stride: storedColumns.count, isTransposed: factor.isTransposed)
  }
}

/// Sizes of the tiles of a matrix product, which depend on the operands' shapes alone.
///
/// A large product has at least 16 tiles, so that two or three workers end together. Tiles are wide enough
/// that widening and packing cost little.
struct ProductTiling {
  /// Elements of `a` that are widened at a time, for all tiles of these rows.
  static let widenedLimit = 1 << 23
  /// Rows of `a` widened at a time; rows and columns of one tile of c; tiles side by side.
  let blockRows: Int, tileRows: Int, tileColumns: Int, columnTiles: Int

  init(rows: Int, columns: Int, inner: Int) {
    let widest = columns >= 4096 ? 256 : columns >= 1024 ? 128 : 64
    let wanted = (columns + widest - 1) / widest
    tileColumns = min(columns, ((columns + wanted - 1) / wanted + 15) / 16 * 16)
    columnTiles = (columns + tileColumns - 1) / tileColumns
    blockRows = max(1, min(rows, max(64, Self.widenedLimit / max(1, inner))))
    let rowTiles = max(1, min(blockRows / 64, (15 + columnTiles) / columnTiles))
    tileRows = ((blockRows + rowTiles - 1) / rowTiles + 7) / 8 * 8
  }
}

/// A factor of a product: its elements as stored, and how they enter the product.
struct Factor {
  private let bytes: UnsafeMutableRawPointer
  private let storedStride: Int
  /// True when the elements are float32 and used in place.
  let isWide: Bool
  /// True when the stored rows are columns of the factor.
  let isTransposed: Bool
  /// Rows and columns of the factor as it enters the product.
  let rows: Int, columns: Int

  init(_ operand: Operand) {
    let tensor = operand.tensor
    bytes = tensor.bytes
    storedStride = tensor.shape[1]
    isWide = tensor.dtype == .float32
    precondition(isWide || tensor.dtype == .bfloat16, "multiply: factor of \(tensor.dtype)")
    if case .transposed = operand { isTransposed = true } else { isTransposed = false }
    rows = operand.rowCount
    columns = operand.columnCount
  }

  /// Ranges of stored rows and columns for some rows and columns of the factor.
  func stored(_ rows: Range<Int>, _ columns: Range<Int>) -> (rows: Range<Int>, columns: Range<Int>) {
    isTransposed ? (columns, rows) : (rows, columns)
  }

  /// Widens stored rows and columns of a bfloat16 factor, and writes them end to end.
  func widen(_ rows: Range<Int>, _ columns: Range<Int>, into scratch: UnsafeMutablePointer<Float>) {
    let first =
      bytes.assumingMemoryBound(to: UInt16.self) + rows.lowerBound * storedStride + columns.lowerBound
    ck_widen_block(first, storedStride, scratch, rows.count, columns.count)
  }

  /// Part of the factor as float32: in place, or widened into `scratch`.
  func panel(_ rows: Range<Int>, _ columns: Range<Int>, scratch: UnsafeMutablePointer<Float>) -> Panel {
    let (rows, columns) = stored(rows, columns)
    if isWide {
      let first =
        bytes.assumingMemoryBound(to: Float.self) + rows.lowerBound * storedStride + columns.lowerBound
      return Panel(elements: UnsafePointer(first), stride: storedStride, isTransposed: isTransposed)
    }
    widen(rows, columns, into: scratch)
    return Panel(elements: UnsafePointer(scratch), stride: columns.count, isTransposed: isTransposed)
  }
}

/// A float32 matrix as sgemm takes it.
struct Panel {
  /// First element, distance of stored rows in elements, and whether those rows are the matrix's columns.
  let elements: UnsafePointer<Float>, stride: Int, isTransposed: Bool

  /// All of a float32 operand.
  init(_ operand: Operand) {
    let factor = Factor(operand)
    precondition(factor.isWide, "Panel: operand of \(operand.tensor.dtype); expected float32")
    self = factor.panel(0..<operand.rowCount, 0..<operand.columnCount, scratch: operand.tensor.float32)
  }

  /// A matrix whose stored rows lie `stride` elements apart.
  init(elements: UnsafePointer<Float>, stride: Int, isTransposed: Bool) {
    (self.elements, self.stride, self.isTransposed) = (elements, stride, isTransposed)
  }

  /// The part of the matrix from row `first` on.
  func rows(_ first: Int) -> Panel {
    Panel(
      elements: elements + (isTransposed ? first : first * stride), stride: stride, isTransposed: isTransposed
    )
  }
}

/// M, N and K of one sgemm call.
struct ProductSize {
  let rows: Int, columns: Int, inner: Int

  /// c = scale · a · b, or c plus that, on this thread.
  func multiply(
    _ a: Panel, _ b: Panel, _ scale: Float, _ store: Store, _ c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    OpenBLAS.current.multiply(self, a, b, scale: scale, beta: store == .adding ? 1 : 0, c, stride: stride)
  }
}

/// Calls `body` with memory for `count` floats, aligned to 64 bytes, not initialised.
func withScratch<Result>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Result) -> Result {
  guard let bytes = ck_allocate(max(64, count * 4), 64) else { preconditionFailure("withScratch: no memory") }
  defer { free(bytes) }
  return body(bytes.assumingMemoryBound(to: Float.self))
}
