import CKernels

/// How the logits of a cross-entropy are cut: from the shapes alone.
struct VocabularyTiling {
  /// Products by OpenBLAS, or of bfloat16 pairs.
  enum Products { case panels, pairs }

  /// Rows of a chunk, and columns of a tile of the vocabulary.
  let chunkRows: Int, tileColumns: Int
  /// Tiles of the vocabulary, and groups that they are taken in where sums run over the vocabulary.
  let tiles: Int, groups: Int
  /// Floats of memory for what is kept of a chunk's logits.
  let keptFloats: Int

  init(_ products: Products, rows: Int, vocabulary: Int, width: Int) {
    let (most, rowBytes) = (Self.mostRows(products, vocabulary), Self.rowBytes(products, vocabulary))
    let (chunks, unit) = ((rows + most - 1) / most, Self.rowUnit(products))
    chunkRows = min(rows, ((rows + chunks - 1) / chunks + unit - 1) / unit * unit)
    keptFloats = chunkRows * rowBytes / 4
    tileColumns = Self.tileColumns(products, vocabulary, width)
    tiles = (vocabulary + tileColumns - 1) / tileColumns
    // Each group has a sum of its own, [C, D]: at most 64 MiB of them, unless eight take more.
    groups = min(products == .panels || 16 * chunkRows * width <= 1 << 24 ? 16 : 8, tiles)
  }

  private static func tileColumns(_ products: Products, _ vocabulary: Int, _ width: Int) -> Int {
    // At least 16 tiles of a vocabulary of some size.
    let balanced = max(1, (vocabulary / 16 + 63) / 64) * 64
    switch products {
    case .panels: return max(64, min(1024, balanced, (1 << 18) / max(1, width) / 64 * 64))
    // Whole panels both as columns of the logits' product (32) and, but for a small vocabulary, as rows of
    // dTable's (14).
    case .pairs: return balanced < 448 ? balanced : 448
    }
  }

  /// Columns of one tile.
  func columns(_ tile: Int, of vocabulary: Int) -> Range<Int> {
    tile * tileColumns..<min(vocabulary, (tile + 1) * tileColumns)
  }

  /// Rows of the largest chunk: 128 MiB of float32 logits or 160 MiB of bfloat16 weights, but whole panels.
  fileprivate static func mostRows(_ products: Products, _ vocabulary: Int) -> Int {
    let limit = products == .panels ? 1 << 27 : 5 << 25
    return max(1, limit / rowBytes(products, vocabulary) / rowUnit(products)) * rowUnit(products)
  }

  /// Chunks have whole left panels: the product of a panel that is not full takes nearly as long.
  private static func rowUnit(_ products: Products) -> Int { products == .panels ? 1 : Int(CK_LEFT_LINES) }

  /// Bytes that are kept of one row: a float32 logit, or a bfloat16 weight in a row of whole panels.
  fileprivate static func rowBytes(_ products: Products, _ vocabulary: Int) -> Int {
    products == .panels ? 4 * vocabulary : 2 * ck_weight_stride(vocabulary)
  }
}

extension CPUKernels {
  /// Bytes of the largest buffer that `linearCrossEntropy` keeps of the logits of `rows` target rows: of
  /// bfloat16, the larger of what either choice of products keeps, so that the number is the same on every
  /// processor.
  package static func logitBytes(rows: Int, vocabulary: Int, _ dtype: DType, deviceMemory: Int = 0) -> Int {
    let choices: [VocabularyTiling.Products] = dtype == .bfloat16 ? [.panels, .pairs] : [.panels]
    return choices.map {
      min(rows, VocabularyTiling.mostRows($0, vocabulary)) * VocabularyTiling.rowBytes($0, vocabulary)
    }.max() ?? 0
  }
}
