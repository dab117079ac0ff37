import CKernels

/// How the logits of a cross-entropy are cut: from the shapes alone.
struct VocabularyTiling {
  /// Products by OpenBLAS, or of bfloat16 pairs.
  enum Products { case panels, pairs }

  /// Bytes that are kept of a chunk's logits at most, but for a vocabulary whose single row (or panel of rows) has more.
  static func limit(_ products: Products) -> Int { products == .panels ? 1 << 27 : 1 << 28 }

  /// Rows of a chunk, and columns of a tile of the vocabulary.
  let chunkRows: Int, tileColumns: Int
  /// Tiles of the vocabulary, and groups that they are taken in where sums run over the vocabulary.
  let tiles: Int, groups: Int
  /// Floats of memory for what is kept of a chunk's logits.
  let keptFloats: Int

  init(_ products: Products, rows: Int, vocabulary: Int, width: Int) {
    let rowBytes = Self.rowBytes(products, vocabulary)
    // Whole left panels: the product of a panel that is not full takes nearly as long.
    let unit = products == .pairs ? Int(CK_LEFT_LINES) : 1
    let most = max(1, Self.limit(products) / rowBytes / unit) * unit
    let chunks = (rows + most - 1) / most
    chunkRows = min(rows, ((rows + chunks - 1) / chunks + unit - 1) / unit * unit)
    keptFloats = chunkRows * rowBytes / 4
    switch products {
    case .panels:
      let balanced = (vocabulary / 16 + 63) / 64 * 64
      tileColumns = max(64, min(1024, balanced, (1 << 18) / max(1, width) / 64 * 64))
    case .pairs:
      // Whole panels both as columns (32) of the logits' product and as rows (14) of dTable's.
      let unit = Int(CK_LEFT_LINES * CK_RIGHT_LINES) / 2
      let balanced = (vocabulary / 16 + unit - 1) / unit
      tileColumns = unit * max(1, min(2, balanced))
    }
    tiles = (vocabulary + tileColumns - 1) / tileColumns
    groups = min(16, tiles)
  }

  /// Columns of one tile.
  func columns(_ tile: Int, of vocabulary: Int) -> Range<Int> {
    tile * tileColumns..<min(vocabulary, (tile + 1) * tileColumns)
  }

  /// Bytes that are kept of one row: a float32 logit, or a bfloat16 weight in a row of whole panels.
  fileprivate static func rowBytes(_ products: Products, _ vocabulary: Int) -> Int {
    products == .panels ? 4 * vocabulary : 2 * ck_weight_stride(vocabulary)
  }
}

extension CPUKernels {
  /// Bytes of the largest buffer that `linearCrossEntropy` keeps logits in, or what becomes of them, for so many target
  /// rows of a dtype; of bfloat16 the larger of what either choice of products keeps, for any processor's plan to be the
  /// same.
  package static func logitBytes(rows: Int, vocabulary: Int, _ dtype: DType) -> Int {
    let kinds: [VocabularyTiling.Products] = dtype == .bfloat16 ? [.panels, .pairs] : [.panels]
    return kinds.map { products in
      4 * VocabularyTiling(products, rows: max(1, rows), vocabulary: vocabulary, width: 1).keptFloats
    }.max() ?? 0
  }
}
