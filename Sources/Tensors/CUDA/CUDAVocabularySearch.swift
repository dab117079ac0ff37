import CUDARuntime

/// The search for the most likely token on a GPU. It computes all logits, one chunk of rows after the other.
struct CUDAVocabularySearch: VocabularySearch {
  private let table: Tensor
  private let gpu: CUDAKernels

  /// A search with the map to the vocabulary `table` [V, D].
  init(_ table: Tensor, _ gpu: CUDAKernels) {
    self.table = table
    self.gpu = gpu
  }

  func argmax(_ hidden: Tensor) -> Tensor {
    Requirements.argmax(hidden, table)
    let ids = gpu.uninitialized([hidden.shape[0]], .int32)
    let chunk = gpu.chunkRows(table.shape[0])
    for start in stride(from: 0, to: hidden.shape[0], by: chunk) {
      let rows = start..<min(hidden.shape[0], start + chunk)
      let logits = gpu.logits(hidden.rows(rows), table)
      gpu.kernels.reduction.argmax.launch(
        grid: LaunchExtent(rows.count), logits.deviceAddress,
        ids.rows(rows).deviceAddress, Int32(rows.count), Int32(table.shape[0]))
    }
    return ids
  }
}

extension CUDAKernels {
  package func vocabularySearch(_ table: Tensor, searches: Int) -> any VocabularySearch {
    CUDAVocabularySearch(table, self)
  }

  /// 0: a search keeps no tables here.
  package static func searchBytes(vocabulary: Int, width: Int, _ dtype: DType) -> Int { 0 }

  /// Bytes of a chunk's float32 logits. Their gradient is in the same memory.
  package static func logitBytes(rows: Int, vocabulary: Int, _ dtype: DType, deviceMemory: Int) -> Int {
    min(rows, chunkRows(vocabulary: vocabulary, deviceMemory: deviceMemory)) * vocabulary * 4
  }
}
