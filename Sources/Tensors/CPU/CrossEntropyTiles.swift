import CKernels

/// The matrix products of a chunk's tiles, by one kind of matrix product.
protocol TileProducts {
  /// Logits of some columns of the vocabulary: `CD, VD -> CV`.
  func computeLogits(_ columns: Range<Int>, _ logits: UnsafeMutablePointer<Float>)

  /// Turns a tile's logits into their gradient, scale · (softmax - one at the target) times the soft cap's derivative,
  /// and adds its share to dHidden's part, `CV, VD -> CD`, and to its rows of dTable, `CV, CD -> VD`.
  func addGradients(
    _ tile: Int, _ normalizers: Tensor, _ scale: Float, _ part: UnsafeMutablePointer<Float>, _ store: Store)
}

/// Products by OpenBLAS from float32 panels; the gradient of the logits stays float32, in their place.
struct PanelTileProducts: TileProducts {
  /// The chunk's rows of hidden as float32.
  let wide: Tensor
  /// What the tiles belong to.
  let chunk: CrossEntropyChunk

  private var rows: Int { chunk.rows.count }

  func computeLogits(_ columns: Range<Int>, _ logits: UnsafeMutablePointer<Float>) {
    let factor = Factor(.transposed(chunk.table))
    let left = Panel(elements: UnsafePointer(wide.float32), stride: chunk.width, isTransposed: false)
    withScratch(factor.isWide ? 0 : columns.count * chunk.width) { scratch in
      let right = factor.panel(0..<chunk.width, columns, scratch: scratch)
      let size = ProductSize(rows: rows, columns: columns.count, inner: chunk.width)
      size.multiply(left, right, 1, .replacing, logits, stride: columns.count)
    }
  }

  func addGradients(
    _ tile: Int, _ normalizers: Tensor, _ scale: Float, _ part: UnsafeMutablePointer<Float>, _ store: Store
  ) {
    softmaxGradient(tile, normalizers, scale)
    let columns = chunk.tiling.columns(tile, of: chunk.vocabulary)
    let factor = Factor(.stored(chunk.table))
    let dLogits = UnsafePointer(chunk.tileLogits(tile))
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

  private func softmaxGradient(_ tile: Int, _ normalizers: Tensor, _ scale: Float) {
    let columns = chunk.tiling.columns(tile, of: chunk.vocabulary)
    let targets = (0..<rows).compactMap { row -> (logit: UnsafeMutablePointer<Float>, share: Float)? in
      guard columns.contains(Int(chunk.ids[row])) else { return nil }
      let logit = chunk.targetLogit(row)
      let bent = chunk.options.softCap.map { logit.pointee / $0 } ?? 0
      return (logit, scale * (1 - bent * bent))
    }
    ck_softmax_gradient(
      chunk.tileLogits(tile), rows, columns.count, normalizers.float32, normalizers.float32 + rows, scale,
      chunk.options.softCap ?? 0)
    for target in targets { target.logit.pointee -= target.share }
  }
}

/// Products of bfloat16 pairs; the gradient of the logits is rounded to bfloat16, as that of any bfloat16 activation.
struct PairTileProducts: TileProducts {
  private let chunk: CrossEntropyChunk
  /// The chunk's rows of hidden: as a left factor's lines, and with dTable its columns as a right factor's.
  private let hiddenRows: UnsafeMutablePointer<UInt16>, hiddenColumns: UnsafeMutablePointer<UInt16>?

  /// Calls `body` with the chunk's rows of hidden packed.
  static func with(_ chunk: CrossEntropyChunk, _ body: (PairTileProducts) -> Void) {
    let hidden = chunk.hidden.rows(chunk.rows)
    withPacked(PairFactor(left: .stored(hidden))) { rows in
      if chunk.options.dTable == nil || chunk.options.gradientScale == nil {
        body(PairTileProducts(chunk: chunk, hiddenRows: rows, hiddenColumns: nil))
      } else {
        withPacked(PairFactor(right: .stored(hidden))) { columns in
          body(PairTileProducts(chunk: chunk, hiddenRows: rows, hiddenColumns: columns))
        }
      }
    }
  }

  private var rows: Int { chunk.rows.count }

  func computeLogits(_ columns: Range<Int>, _ logits: UnsafeMutablePointer<Float>) {
    withPacked(PairFactor(right: .transposed(chunk.table.rows(columns)))) { right in
      multiplyPanels(
        hiddenRows, rows, right, columns.count, inner: chunk.width,
        ck_product_target(logits, stride: columns.count, .replacing))
    }
  }

  func addGradients(
    _ tile: Int, _ normalizers: Tensor, _ scale: Float, _ part: UnsafeMutablePointer<Float>, _ store: Store
  ) {
    let columns = chunk.tiling.columns(tile, of: chunk.vocabulary)
    let dLogits = Tensor(uninitialized: [rows, columns.count], .bfloat16)
    ck_softmax_gradient_bf16(
      chunk.tileLogits(tile), rows, columns.count, normalizers.float32, normalizers.float32 + rows, scale,
      chunk.options.softCap ?? 0, chunk.ids, Int32(columns.lowerBound), dLogits.bfloat16)
    withPacked(PairFactor(left: .stored(dLogits))) { left in
      withPacked(PairFactor(right: .stored(chunk.table.rows(columns)))) { right in
        multiplyPanels(
          left, rows, right, chunk.width, inner: columns.count,
          ck_product_target(part, stride: chunk.width, store))
      }
    }
    guard let dTable = chunk.options.dTable, let hiddenColumns else { return }
    withPacked(PairFactor(left: .transposed(dLogits))) { left in
      multiplyPanels(
        left, columns.count, hiddenColumns, chunk.width, inner: rows,
        ck_product_target(dTable, columns.lowerBound, 0, 1, .adding))
    }
  }
}

extension ck_product_target {
  /// Float32 rows `stride` apart.
  fileprivate init(_ c: UnsafeMutablePointer<Float>, stride: Int, _ store: Store) {
    self.init(
      c: c, stride: stride, type: Int32(CK_FLOAT32), adding: store == .adding ? 1 : 0, scale: 1)
  }
}
