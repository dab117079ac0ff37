import CKernels
import Glibc

/// The work on a chunk's tiles, by one kind of matrix product. Workers take tiles side by side.
protocol TileProducts {
  /// Computes logits of a tile, `CD, VD -> CV`. It keeps what their gradient needs, and writes their
  /// statistics and the logits of the targets that lie in the tile.
  func computeLogits(_ tile: Int, _ statistics: RowStatistics)

  /// Computes the gradient of a tile's logits, scale · (softmax - one at the target) times the soft cap's
  /// derivative. Adds its share to the part of dHidden, `CV, VD -> CD`, and to the tile's rows of dTable,
  /// `CV, CD -> VD`.
  func addGradients(
    _ tile: Int, _ statistics: RowStatistics, _ scale: Float, _ part: UnsafeMutablePointer<Float>,
    _ store: Store)
}

/// Products by OpenBLAS from float32 panels. All logits of a chunk are kept in float32, in at most 2^25
/// elements (128 MiB): 128 rows of a vocabulary of 262,144. Their gradient is written over them.
struct PanelTileProducts: TileProducts {
  /// The chunk's rows of hidden as float32.
  private let wide: Tensor
  private let chunk: CrossEntropyChunk
  /// C · V floats, tile after tile of [C, tile's columns].
  private let logits: UnsafeMutablePointer<Float>

  init(_ chunk: CrossEntropyChunk, logits: UnsafeMutablePointer<Float>) {
    let part = chunk.hidden.rows(chunk.rows)
    wide = part.dtype == .float32 ? part : chunk.kernels.converted(part, to: .float32, scale: 1)
    (self.chunk, self.logits) = (chunk, logits)
  }

  private var rows: Int { chunk.rows.count }

  private func tileLogits(_ tile: Int) -> UnsafeMutablePointer<Float> {
    logits + rows * tile * chunk.tiling.tileColumns
  }

  func computeLogits(_ tile: Int, _ statistics: RowStatistics) {
    let (columns, logits) = (chunk.columns(tile), tileLogits(tile))
    let factor = Factor(.transposed(chunk.table))
    let left = Panel(elements: UnsafePointer(wide.float32), stride: chunk.width, isTransposed: false)
    withScratch(factor.isWide ? 0 : columns.count * chunk.width) { scratch in
      let right = factor.panel(0..<chunk.width, columns, scratch: scratch)
      let size = ProductSize(rows: rows, columns: columns.count, inner: chunk.width)
      size.multiply(left, right, 1, .replacing, logits, stride: columns.count)
    }
    if let cap = chunk.options.softCap { ck_soft_cap(logits, cap, rows * columns.count) }
    ck_row_statistics(logits, rows, columns.count, statistics.largest(tile), statistics.sums(tile))
    for target in chunk.targets(in: columns) {
      statistics.targetLogits[target.row] = logits[target.row * columns.count + target.column]
    }
  }

  func addGradients(
    _ tile: Int, _ statistics: RowStatistics, _ scale: Float, _ part: UnsafeMutablePointer<Float>,
    _ store: Store
  ) {
    let columns = chunk.columns(tile)
    softmaxGradient(tile, columns, statistics, scale)
    let factor = Factor(.stored(chunk.table))
    let dLogits = UnsafePointer(tileLogits(tile))
    withScratch(factor.isWide ? 0 : columns.count * chunk.width) { scratch in
      let right = factor.panel(columns, 0..<chunk.width, scratch: scratch)
      let left = Panel(elements: dLogits, stride: columns.count, isTransposed: false)
      let size = ProductSize(rows: rows, columns: chunk.width, inner: columns.count)
      size.multiply(left, right, 1, store, part, stride: chunk.width)
    }
    guard let dTable = chunk.options.dTable else { return }
    let left = Panel(elements: dLogits, stride: columns.count, isTransposed: true)
    let right = Panel(elements: UnsafePointer(wide.float32), stride: chunk.width, isTransposed: false)
    let size = ProductSize(rows: columns.count, columns: chunk.width, inner: rows)
    let first = dTable.float32 + columns.lowerBound * chunk.width
    size.multiply(left, right, 1, .adding, first, stride: chunk.width)
  }

  private func softmaxGradient(
    _ tile: Int, _ columns: Range<Int>, _ statistics: RowStatistics, _ scale: Float
  ) {
    let logits = tileLogits(tile)
    ck_softmax_gradient(
      logits, rows, columns.count, statistics.tops, statistics.inverses, scale, chunk.options.softCap ?? 0)
    for target in chunk.targets(in: columns) {
      logits[target.row * columns.count + target.column] -=
        scale * chunk.slope(statistics.targetLogits[target.row])
    }
  }
}

/// Products of bfloat16 pairs (VDPBF16PS). A tile's float32 logits stay in the cache and give the losses.
///
/// Only weights are kept of them: e^(logit - the row's largest in this tile), times the soft cap's
/// derivative, as bfloat16. They take at most 160 MiB: 308 rows of a vocabulary of 262,144.
///
/// The gradient of a logit is its weight times a factor of the row in this tile. It is rounded to bfloat16,
/// as the gradient of any bfloat16 activation is. Together with the rounding of the weight, that makes two
/// roundings of at most 2^-8 of its value. At the targets the gradient comes from the float32 logits and is
/// rounded once.
struct PairTileProducts: TileProducts {
  private let chunk: CrossEntropyChunk
  /// The chunk's rows of hidden as lines of a left factor. With dTable, also its columns as lines of a right
  /// factor.
  private let hiddenRows: UnsafeMutablePointer<UInt16>, hiddenColumns: UnsafeMutablePointer<UInt16>?
  /// Tile after tile of [C, tile's columns in whole panels]; nil without gradients.
  private let weights: UnsafeMutablePointer<UInt16>?

  /// Calls `body` with the chunk's rows of hidden packed. Weights are written to the floats `kept`.
  static func with(
    _ chunk: CrossEntropyChunk, kept: UnsafeMutablePointer<Float>?, _ body: (PairTileProducts) -> Void
  ) {
    let hidden = chunk.hidden.rows(chunk.rows)
    let weights = kept.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt16.self) }
    withPacked(PairFactor(left: .stored(hidden))) { rows in
      if weights == nil || chunk.options.dTable == nil {
        body(PairTileProducts(chunk: chunk, hiddenRows: rows, hiddenColumns: nil, weights: weights))
      } else {
        withPacked(PairFactor(right: .stored(hidden))) { columns in
          body(PairTileProducts(chunk: chunk, hiddenRows: rows, hiddenColumns: columns, weights: weights))
        }
      }
    }
  }

  /// Rows whose logits are computed at a time: whole left panels. Together with a tile of the table they fit
  /// in 1 MiB of cache.
  private static let blockRows = 3 * Int(CK_LEFT_LINES)

  private var rows: Int { chunk.rows.count }

  private func tileWeights(_ tile: Int) -> UnsafeMutablePointer<UInt16>? {
    weights.map { $0 + rows * tile * chunk.tiling.tileColumns }
  }

  func computeLogits(_ tile: Int, _ statistics: RowStatistics) {
    let columns = chunk.columns(tile)
    let stride = ck_weight_stride(columns.count)
    withPacked(PairFactor(right: .transposed(chunk.table.rows(columns)))) { right in
      withScratch(Self.blockRows * stride) { logits in
        for first in Swift.stride(from: 0, to: rows, by: Self.blockRows) {
          let block = first..<min(rows, first + Self.blockRows)
          multiplyPanels(
            hiddenRows + first * ck_panel_size(1, chunk.width), block.count, right, columns.count,
            inner: chunk.width, ck_product_target(logits, stride: stride, .replacing))
          if let cap = chunk.options.softCap { ck_soft_cap(logits, cap, block.count * stride) }
          ck_softmax_weights(
            logits, block.count, columns.count, chunk.options.softCap ?? 0,
            statistics.largest(tile) + first, statistics.sums(tile) + first,
            tileWeights(tile).map { $0 + first * stride })
          for row in block where columns.contains(Int(chunk.ids[row])) {
            statistics.targetLogits[row] =
              logits[(row - first) * stride + Int(chunk.ids[row]) - columns.lowerBound]
          }
        }
      }
    }
  }

  func addGradients(
    _ tile: Int, _ statistics: RowStatistics, _ scale: Float, _ part: UnsafeMutablePointer<Float>,
    _ store: Store
  ) {
    let columns = chunk.columns(tile)
    withGradientPanels(tile, columns, statistics, scale) { byRow, byColumn in
      withPacked(PairFactor(right: .stored(chunk.table.rows(columns)))) { right in
        multiplyPanels(
          byRow, rows, right, chunk.width, inner: columns.count,
          ck_product_target(part, stride: chunk.width, store))
      }
      guard let dTable = chunk.options.dTable, let hiddenColumns, let byColumn else { return }
      multiplyPanels(
        byColumn, columns.count, hiddenColumns, chunk.width, inner: rows,
        ck_product_target(dTable, columns.lowerBound, 0, 1, .adding))
    }
  }

  /// Calls `body` with the gradient of a tile's logits, packed as a left factor whose lines are rows. With
  /// dTable it is also packed as a left factor whose lines are columns.
  private func withGradientPanels(
    _ tile: Int, _ columns: Range<Int>, _ statistics: RowStatistics, _ scale: Float,
    _ body: (UnsafeMutablePointer<UInt16>, UnsafeMutablePointer<UInt16>?) -> Void
  ) {
    let low = Int(CK_LEFT_LINES)
    let rowElements = (rows + low - 1) / low * ck_panel_size(low, columns.count)
    let columnElements =
      hiddenColumns == nil ? 0 : (columns.count + low - 1) / low * ck_panel_size(low, rows)
    withScratch(rows + (rowElements + columnElements) / 2) { scratch in
      let byRow = UnsafeMutableRawPointer(scratch + rows).assumingMemoryBound(to: UInt16.self)
      let byColumn = hiddenColumns == nil ? nil : byRow + rowElements
      for row in 0..<rows {
        scratch[row] =
          scale * expf(statistics.largest(tile)[row] - statistics.tops[row]) * statistics.inverses[row]
      }
      var panels = ck_softmax_panels(
        weights: tileWeights(tile), rows: rows, columns: columns.count, factors: scratch, row_panels: byRow,
        column_panels: byColumn)
      ck_pack_softmax_gradient(&panels)
      for target in chunk.targets(in: columns) {
        let logit = statistics.targetLogits[target.row]
        let weight = expf(logit - statistics.tops[target.row]) * statistics.inverses[target.row]
        let gradient = roundedToBFloat16(scale * (weight - 1) * chunk.slope(logit))
        byRow[ck_panel_index(low, columns.count, target.row, target.column)] = gradient
        byColumn?[ck_panel_index(low, rows, target.column, target.row)] = gradient
      }
      body(byRow, byColumn)
    }
  }
}

extension CrossEntropyChunk {
  /// The rows whose targets lie in `columns`, and the position of each target in them.
  fileprivate func targets(in columns: Range<Int>) -> [(row: Int, column: Int)] {
    rows.indices.map { $0 - rows.lowerBound }.compactMap { row in
      let id = Int(ids[row])
      return columns.contains(id) ? (row, id - columns.lowerBound) : nil
    }
  }

  /// The soft cap's derivative where the cap gave `logit`; 1 without a cap.
  fileprivate func slope(_ logit: Float) -> Float {
    let bent = options.softCap.map { logit / $0 } ?? 0
    return 1 - bent * bent
  }
}

extension ck_product_target {
  /// Float32 rows `stride` apart.
  fileprivate init(_ c: UnsafeMutablePointer<Float>, stride: Int, _ store: Store) {
    self.init(
      c: c, stride: stride, type: Int32(CK_FLOAT32), adding: store == .adding ? 1 : 0, scale: 1)
  }
}
