import CKernels

/// Which matrix products a `CPUKernels` computes with.
package enum ProductChoice: Sendable {
  /// Own products for two bfloat16 factors if the processor has AVX512_BF16; OpenBLAS for all other products.
  case automatic
  /// OpenBLAS for all products.
  case openBLAS
}

extension CPUKernels {
  /// The product of two bfloat16 factors by VDPBF16PS, from factors packed once for all workers.
  ///
  /// Each element of c is a float32 sum over pairs in the order of the inner index, in blocks of
  /// `CK_INNER_BLOCK` elements. Tiles do not change it.
  func multiplyPairs(_ a: Operand, _ b: Operand, scale: Float, _ store: Store, _ c: Tensor) {
    let (left, right) = (PairFactor(left: a), PairFactor(right: b))
    let tiling = PairTiling(rows: left.lines, columns: right.lines, inner: left.inner)
    withPanels(right, upTo: tiling.blockColumns) { rightPanels in
      withPanels(left, upTo: tiling.blockRows) { leftPanels in
        for columns in blocks(right.lines, tiling.blockColumns) {
          for rows in blocks(left.lines, tiling.blockRows) {
            pack([
              PairPacking(left, rows, leftPanels),
              PairPacking(right, rows.lowerBound == 0 ? columns : columns.prefix(0), rightPanels),
            ])
            let target = ck_product_target(c, rows.lowerBound, columns.lowerBound, scale, store)
            let tiles = PairTiles(rows: rows.count, columns: columns.count, inner: left.inner, tiling: tiling)
            parallel(tiles.count) { tiles.multiply($0, leftPanels, rightPanels, target) }
          }
        }
      }
    }
  }

  /// x · weightᵀ for few rows of x, both bfloat16. The weight is read once, without packing.
  ///
  /// Sums are those of `multiplyPairs`. For up to four rows of x, they run in sixteen lanes along the inner
  /// index.
  func multiplyThinPairs(_ x: Tensor, _ weight: Tensor, scale: Float, _ store: Store, _ c: Tensor) {
    let (rows, inner) = (weight.shape[0], weight.shape[1])
    let lanes = ck_thin_lanes(x.shape[0])
    let factor = PairFactor(
      x.bfloat16, rows: x.shape[0], columns: inner, width: max(1, lanes), linesAreStoredRows: true)
    withPanels(factor, upTo: lanes) { panel in
      if lanes > 0 { factor.pack(0..<x.shape[0], into: panel) }
      let lines = lanes > 0 ? UnsafePointer(panel) : UnsafePointer(x.bfloat16)
      parallelRuns(over: rows, unit: 16, atLeast: 32) { range in
        var product = ck_thin_pairs(
          x: lines, w: weight.bfloat16 + range.lowerBound * inner, x_rows: x.shape[0], w_rows: range.count,
          inner: inner, target: ck_product_target(c, 0, range.lowerBound, scale, store))
        ck_thin_pair_product(&product)
      }
    }
  }

  /// Packs panels, on all workers.
  private func pack(_ packings: [PairPacking]) {
    let jobs = packings.flatMap(\.jobs)
    parallel(jobs.count) { jobs[$0].run() }
  }

  private func blocks(_ count: Int, _ size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min(count, $0 + size) }
  }
}

/// Sizes of the blocks that are packed at a time and of the tiles that workers take. They depend on the
/// operands' shapes alone.
struct PairTiling {
  /// Most elements of a factor packed at a time (8 MiB), and of the part of a factor that a tile reads (256
  /// KiB). One panel may exceed them.
  static let blockLimit = 1 << 22, tileLimit = 1 << 17
  /// Rows and columns of c that are packed for at a time, and those of one tile: whole panels.
  let blockRows: Int, blockColumns: Int, tileRows: Int, tileColumns: Int

  init(rows: Int, columns: Int, inner: Int) {
    let (low, wide) = (Int(CK_LEFT_LINES), Int(CK_RIGHT_LINES))
    func lines(_ limit: Int, _ count: Int, _ panel: Int, _ inner: Int) -> Int {
      let wanted = (count + panel - 1) / panel
      return max(1, min(wanted, limit / (max(1, inner) * panel))) * panel
    }
    blockRows = lines(Self.blockLimit, rows, low, inner)
    blockColumns = lines(Self.blockLimit, columns, wide, inner)
    let block = min(inner, Int(CK_INNER_BLOCK))
    var (height, width) = (
      lines(Self.tileLimit, rows, low, block), lines(Self.tileLimit, columns, wide, block)
    )
    // A large product has at least 16 tiles, so that workers end together.
    while (rows + height - 1) / height * ((columns + width - 1) / width) < 16 {
      if height > 4 * low || (height > low && width == wide) {
        height = (height / low + 1) / 2 * low
      } else if width > wide {
        width = (width / wide + 1) / 2 * wide
      } else {
        break
      }
    }
    (tileRows, tileColumns) = (height, width)
  }
}

/// The tiles of one packed block of c.
private struct PairTiles {
  let rows: Int, columns: Int, inner: Int, tiling: PairTiling

  private var across: Int { (columns + tiling.tileColumns - 1) / tiling.tileColumns }
  var count: Int { (rows + tiling.tileRows - 1) / tiling.tileRows * across }

  func multiply(
    _ tile: Int, _ left: UnsafeMutablePointer<UInt16>, _ right: UnsafeMutablePointer<UInt16>,
    _ target: ck_product_target
  ) {
    let (row, column) = (tile / across * tiling.tileRows, tile % across * tiling.tileColumns)
    let line = ck_panel_size(1, inner)
    let (height, width) = (min(tiling.tileRows, rows - row), min(tiling.tileColumns, columns - column))
    multiplyPanels(
      left + row * line, height, right + column * line, width, inner: inner, target.offset(row, column))
  }
}

/// Which lines of a factor, as it enters the product, run along the inner index.
enum LineDirection { case rows, columns }

/// A bfloat16 factor as lines along the inner index: rows of the left one, columns of the right one.
struct PairFactor {
  /// Lines of one panel.
  let width: Int
  let source: ck_bf16_lines

  /// The left factor of a product.
  init(left operand: Operand) {
    self.init(operand, width: Int(CK_LEFT_LINES), linesAreStoredRows: !operand.isTransposed)
  }

  /// The right factor of a product.
  init(right operand: Operand) {
    self.init(operand, width: Int(CK_RIGHT_LINES), linesAreStoredRows: operand.isTransposed)
  }

  private init(_ operand: Operand, width: Int, linesAreStoredRows: Bool) {
    let tensor = operand.tensor
    self.init(
      tensor.bfloat16, rows: tensor.shape[0], columns: tensor.shape[1], width: width,
      linesAreStoredRows: linesAreStoredRows)
  }

  /// A stored matrix whose rows or columns are the lines.
  init(
    _ elements: UnsafePointer<UInt16>, rows: Int, columns: Int, width: Int, linesAreStoredRows: Bool
  ) {
    self.width = width
    source =
      linesAreStoredRows
      ? ck_bf16_lines(x: elements, line_stride: columns, inner_stride: 1, lines: rows, inner: columns)
      : ck_bf16_lines(x: elements, line_stride: 1, inner_stride: columns, lines: columns, inner: rows)
  }

  /// The rows or columns of the operand, in panels as wide as `ck_split_product` takes lines.
  init(lines operand: Operand, _ direction: LineDirection) {
    self.init(
      operand, width: Int(CK_SPLIT_ROWS), linesAreStoredRows: operand.isTransposed == (direction == .columns))
  }

  /// True when the elements of a line lie end to end.
  var isInPlace: Bool { source.inner_stride == 1 }

  /// Number of lines, and elements of each.
  var lines: Int { source.lines }
  var inner: Int { source.inner }

  /// Number of elements in the panels of `count` lines.
  func panelElements(_ count: Int) -> Int { (count + width - 1) / width * ck_panel_size(width, inner) }

  /// Packs the lines of `range`, which begins at the first line of a panel.
  func pack(_ range: Range<Int>, into panels: UnsafeMutablePointer<UInt16>) {
    var part = source
    part.x += range.lowerBound * source.line_stride
    part.lines = range.count
    ck_pack_panels(&part, width, panels)
  }
}

/// Lines of a factor, and where their panels are written.
private struct PairPacking {
  let factor: PairFactor, lines: Range<Int>, panels: UnsafeMutablePointer<UInt16>

  init(_ factor: PairFactor, _ lines: Range<Int>, _ panels: UnsafeMutablePointer<UInt16>) {
    (self.factor, self.lines, self.panels) = (factor, lines, panels)
  }

  /// This packing cut into parts of about 2^16 elements.
  var jobs: [PairPacking] {
    let size = max(1, (1 << 16) / max(1, factor.width * factor.inner)) * factor.width
    return stride(from: lines.lowerBound, to: lines.upperBound, by: size).map { first in
      PairPacking(
        factor, first..<min(lines.upperBound, first + size),
        panels + factor.panelElements(first - lines.lowerBound))
    }
  }

  func run() { factor.pack(lines, into: panels) }
}

/// The product of packed left lines and packed right lines, on this thread.
func multiplyPanels(
  _ left: UnsafePointer<UInt16>, _ rows: Int, _ right: UnsafePointer<UInt16>, _ columns: Int, inner: Int,
  _ target: ck_product_target
) {
  withScratch(ck_sums_size(rows, columns, inner)) { sums in
    ck_multiply_panels(left, rows, right, columns, inner, sums, target)
  }
}

/// Calls `body` with memory for the panels of up to `count` lines of a factor.
func withPanels<Result>(
  _ factor: PairFactor, upTo count: Int, _ body: (UnsafeMutablePointer<UInt16>) -> Result
) -> Result {
  let elements = factor.panelElements(count)
  return withScratch((elements + 1) / 2) { scratch in
    scratch.withMemoryRebound(to: UInt16.self, capacity: elements, body)
  }
}

/// Calls `body` with the packed panels of all lines of a factor.
func withPacked<Result>(_ factor: PairFactor, _ body: (UnsafeMutablePointer<UInt16>) -> Result) -> Result {
  withPanels(factor, upTo: factor.lines) { panels in
    factor.pack(0..<factor.lines, into: panels)
    return body(panels)
  }
}

extension ck_product_target {
  /// The part of a tensor from one element on.
  init(_ c: Tensor, _ row: Int, _ column: Int, _ scale: Float, _ store: Store) {
    let stride = c.shape[1]
    self.init(
      c: c.bytes + (row * stride + column) * c.dtype.byteCount, stride: stride, type: c.dtype.elementType,
      adding: store == .adding ? 1 : 0, scale: scale)
  }

  /// This target from another element on.
  func offset(_ row: Int, _ column: Int) -> ck_product_target {
    var part = self
    part.c += (row * stride + column) * (type == Int32(CK_FLOAT32) ? 4 : 2)
    return part
  }
}

extension Operand {
  var isTransposed: Bool {
    if case .transposed = self { true } else { false }
  }
}
