import CKernels
import Glibc

extension CPUKernels {
  /// Linear map to the vocabulary and cross-entropy: `MD, VD, M -> M`, one chunk of rows after the other.
  ///
  /// Tiles of the vocabulary give a chunk's logits and their row statistics, and the statistics give the
  /// losses. Then each tile's gradient of the logits enters dHidden (groups of tiles, summed in order) and
  /// dTable. `PairTileProducts` and `PanelTileProducts` say what they keep of a chunk's logits until then,
  /// and how many rows that allows.
  package func linearCrossEntropy(
    _ hidden: Tensor, _ table: Tensor, targets: Tensor, _ options: CrossEntropyOptions
  ) -> CrossEntropyResult {
    let (count, vocabulary) = (hidden.shape[0], table.shape[0])
    Requirements.linearCrossEntropy(hidden, table, targets: targets)
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
    let inPairs = hasPairProducts && hidden.dtype == .bfloat16 && table.dtype == .bfloat16
    let isKept = !inPairs || options.gradientScale != nil
    let tiling = VocabularyTiling(
      inPairs ? .pairs : .panels, rows: count, vocabulary: vocabulary, width: table.shape[1])
    withKept(isKept ? tiling.keptFloats : 0) { kept in
      for start in stride(from: 0, to: count, by: tiling.chunkRows) {
        let chunk = CrossEntropyChunk(
          rows: start..<min(count, start + tiling.chunkRows), hidden: hidden, table: table, ids: ids + start,
          options: options, tiling: tiling, kernels: self)
        if inPairs {
          PairTileProducts.with(chunk, kept: isKept ? kept : nil) { chunk.run(result, $0) }
        } else {
          chunk.run(result, PanelTileProducts(chunk, logits: kept))
        }
      }
    }
    return result
  }

  /// All logits, float32 [M, V]. M must be small.
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

/// Calls `body` with memory for `count` floats, not initialised. The memory goes back to the system when the
/// call ends, because the backward pass needs as much for its own buffers.
private func withKept<Result>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Result) -> Result {
  guard 4 * count > Int(CK_LARGEST_KEPT), let memory = ck_allocate_large(4 * count) else {
    return withScratch(count, body)
  }
  defer { free(memory) }
  return body(memory.assumingMemoryBound(to: Float.self))
}
