import CKernels

/// How the logits of a cross-entropy are cut into chunks and tiles, which depends on the shapes alone.
struct VocabularyTiling {
  /// Products by OpenBLAS from float32 panels, or products of bfloat16 pairs.
  enum Products { case panels, pairs }

  /// Rows of a chunk, and columns of a tile of the vocabulary.
  let chunkRows: Int, tileColumns: Int
  /// Number of tiles of the vocabulary, and of groups of tiles where sums run over the vocabulary.
  let tiles: Int, groups: Int
  /// Floats of memory for the part of a chunk's logits that is kept.
  let keptFloats: Int

  init(_ products: Products, rows: Int, vocabulary: Int, width: Int) {
    let (most, rowBytes) = (Self.mostRows(products, vocabulary), Self.rowBytes(products, vocabulary))
    let (chunks, unit) = ((rows + most - 1) / most, Self.rowUnit(products))
    chunkRows = min(rows, ((rows + chunks - 1) / chunks + unit - 1) / unit * unit)
    keptFloats = chunkRows * rowBytes / 4
    tileColumns = Self.tileColumns(products, vocabulary, width)
    tiles = (vocabulary + tileColumns - 1) / tileColumns
    // Each group has its own sum, [C, D]. They take at most 64 MiB together, unless eight take more.
    groups = min(products == .panels || 16 * chunkRows * width <= 1 << 24 ? 16 : 8, tiles)
  }

  private static func tileColumns(_ products: Products, _ vocabulary: Int, _ width: Int) -> Int {
    // A vocabulary that is large enough gets at least 16 tiles.
    let balanced = max(1, (vocabulary / 16 + 63) / 64) * 64
    switch products {
    case .panels: return max(64, min(1024, balanced, (1 << 18) / max(1, width) / 64 * 64))
    // Whole panels both as columns of the logits' product (32) and as rows of dTable's product (14), the
    // latter except for a small vocabulary.
    case .pairs: return balanced < 448 ? balanced : 448
    }
  }

  /// Columns of one tile.
  func columns(_ tile: Int, of vocabulary: Int) -> Range<Int> {
    tile * tileColumns..<min(vocabulary, (tile + 1) * tileColumns)
  }

  /// Rows of the largest chunk: 128 MiB of float32 logits or 160 MiB of bfloat16 weights, in whole panels.
  fileprivate static func mostRows(_ products: Products, _ vocabulary: Int) -> Int {
    let limit = products == .panels ? 1 << 27 : 5 << 25
    return max(1, limit / rowBytes(products, vocabulary) / rowUnit(products)) * rowUnit(products)
  }

  /// Chunks have whole left panels: a panel that is not full takes nearly as long to multiply.
  private static func rowUnit(_ products: Products) -> Int { products == .panels ? 1 : Int(CK_LEFT_LINES) }

  /// Bytes that are kept of one row: float32 logits, or bfloat16 weights in a row of whole panels.
  fileprivate static func rowBytes(_ products: Products, _ vocabulary: Int) -> Int {
    products == .panels ? 4 * vocabulary : 2 * ck_weight_stride(vocabulary)
  }
}

extension CPUKernels {
  /// Bytes of the largest buffer of logits that `linearCrossEntropy` keeps for `rows` target rows. For
  /// bfloat16 it is the larger of the two choices of products, so the number is the same on every processor.
  package static func logitBytes(rows: Int, vocabulary: Int, _ dtype: DType, deviceMemory: Int = 0) -> Int {
    let choices: [VocabularyTiling.Products] = dtype == .bfloat16 ? [.panels, .pairs] : [.panels]
    return choices.map {
      min(rows, VocabularyTiling.mostRows($0, vocabulary)) * VocabularyTiling.rowBytes($0, vocabulary)
    }.max() ?? 0
  }
}
