import CKernels
import Glibc

extension CPUKernels {
  /// Linear map to the vocabulary and cross-entropy: `MD, VD, M -> M`, chunk of rows by chunk of rows.
  ///
  /// A chunk has as many rows as keep its float32 logits within 2^25 elements (128 MiB): 128 rows of a vocabulary of
  /// 262,144. Of each chunk, tiles of the vocabulary give logits and their row statistics; these give the losses; then
  /// each tile's logits become their gradient in place, which enters dHidden (16 groups of tiles, summed in order) and dTable.
  /// Where bfloat16 pairs are multiplied, that gradient is rounded to bfloat16 first, and the logits stay as they are.
  package func linearCrossEntropy(
    _ hidden: Tensor, _ table: Tensor, targets: Tensor, _ options: CrossEntropyOptions
  ) -> CrossEntropyResult {
    let (count, vocabulary) = (hidden.shape[0], table.shape[0])
    precondition(
      hidden.shape[1] == table.shape[1] && targets.shape == [count],
      "linearCrossEntropy: hidden \(hidden.shape), table \(table.shape), targets \(targets.shape)")
    let ids = UnsafePointer(targets.int32)
    for i in 0..<count {
      precondition(
        ids[i] >= 0 && Int(ids[i]) < vocabulary,
        "linearCrossEntropy: target \(ids[i]) at \(i), of \(vocabulary)")
    }
    let result = CrossEntropyResult(
      losses: Tensor(uninitialized: [count], .float32),
      dHidden: options.gradientScale.map { _ in Tensor(uninitialized: hidden.shape, hidden.dtype) })
    if count == 0 { return result }
    let tiling = VocabularyTiling(rows: count, vocabulary: vocabulary, width: table.shape[1])
    withScratch(tiling.chunkRows * vocabulary) { logits in
      for start in stride(from: 0, to: count, by: tiling.chunkRows) {
        let chunk = CrossEntropyChunk(
          rows: start..<min(count, start + tiling.chunkRows), hidden: hidden, table: table, ids: ids + start,
          options: options, tiling: tiling, logits: logits, kernels: self)
        chunk.run(result)
      }
    }
    return result
  }

  /// All logits, float32 [M, V]: for small M.
  package func logits(_ hidden: Tensor, _ table: Tensor, softCap: Float?) -> Tensor {
    let result = Tensor(uninitialized: [hidden.shape[0], table.shape[0]], .float32)
    multiply(.stored(hidden), .transposed(table), scale: 1, .replacing, result)
    if let softCap {
      parallel(over: result.count, grain: Self.elementGrain) { range in
        ck_soft_cap(result.float32 + range.lowerBound, softCap, range.count)
      }
    }
    return result
  }
}

/// How the logits of a cross-entropy are cut: from the shapes alone.
struct VocabularyTiling {
  /// Elements of a chunk's logits at most, but for a vocabulary that is larger itself.
  static let logitsLimit = 1 << 25
  /// Rows of a chunk, and columns of a tile of the vocabulary.
  let chunkRows: Int, tileColumns: Int
  /// Tiles of the vocabulary, and groups that they are taken in where sums run over the vocabulary.
  let tiles: Int, groups: Int

  init(rows: Int, vocabulary: Int, width: Int, logitsLimit: Int = Self.logitsLimit) {
    let chunks = (rows + max(1, logitsLimit / vocabulary) - 1) / max(1, logitsLimit / vocabulary)
    chunkRows = (rows + chunks - 1) / chunks
    let balanced = (vocabulary / 16 + 63) / 64 * 64
    tileColumns = max(64, min(1024, balanced, (1 << 18) / max(1, width) / 64 * 64))
    tiles = (vocabulary + tileColumns - 1) / tileColumns
    groups = min(16, tiles)
  }

  /// Columns of one tile.
  func columns(_ tile: Int, of vocabulary: Int) -> Range<Int> {
    tile * tileColumns..<min(vocabulary, (tile + 1) * tileColumns)
  }
}

extension CPUKernels {
  /// Bytes of the largest buffer of logits that `linearCrossEntropy` uses for so many target rows.
  package static func logitBytes(rows: Int, vocabulary: Int) -> Int {
    4 * min(rows * vocabulary, max(VocabularyTiling.logitsLimit, vocabulary))
  }
}
