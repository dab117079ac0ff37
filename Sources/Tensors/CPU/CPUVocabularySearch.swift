/// The search for the most likely token on the CPU, with 8-bit codes of the table or from all logits.
///
/// The codes bound all logits. Logits are then computed only for those rows of the table that may have the
/// largest, which takes half the memory traffic. A table with codes has elements of at most 10¹⁵, so all its
/// logits are finite.
package struct CPUVocabularySearch: VocabularySearch {
  private let table: Tensor
  private let codes: VocabularyCodes?
  private let kernels: CPUKernels

  /// Whether 8-bit codes of the table are used.
  package var isCoded: Bool { codes != nil }

  /// A search with the map to the vocabulary `table` [V, D].
  ///
  /// Codes are made where they pay: for a large table and more than a few searches, on a processor that can
  /// compare them. They take half as many bytes as the table, and making them reads all of it.
  package init(_ table: Tensor, _ kernels: CPUKernels, searches: Int) {
    let isScreened =
      searches >= Self.fewSearches && kernels.hasPairProducts && CPUKernels.canScreen
      && table.dtype == .bfloat16 && table.byteCount >= Self.smallestScreened
    self.table = table
    self.kernels = kernels
    codes = isScreened ? VocabularyCodes(table, kernels) : nil
  }

  /// The fewest searches that repay making codes, which takes as long as a few searches.
  private static let fewSearches = 16
  /// The smallest table, in bytes, for which codes pay. A smaller one is read from the cache.
  private static let smallestScreened = 1 << 20
  /// Rows of hidden whose logits are computed at a time.
  private static let rowsAtATime = 256

  package func argmax(_ hidden: Tensor) -> Tensor {
    Requirements.argmax(hidden, table)
    let ids = Tensor(uninitialized: [hidden.shape[0]], .int32)
    for start in stride(from: 0, to: hidden.shape[0], by: Self.rowsAtATime) {
      let part = hidden.rows(start..<min(hidden.shape[0], start + Self.rowsAtATime))
      if let codes, hidden.dtype == .bfloat16,
        let candidates = VocabularyScreening(part, codes)?.candidates(kernels)
      {
        kernels.argmax(part, among: candidates, of: table, into: ids.int32 + start)
      } else {
        kernels.argmax(part, table, into: ids.int32 + start)
      }
    }
    return ids
  }
}

extension CPUKernels {
  package func vocabularySearch(_ table: Tensor, searches: Int) -> any VocabularySearch {
    CPUVocabularySearch(table, self, searches: searches)
  }

  /// One byte for each element of a bfloat16 table, if this processor uses codes.
  package static func searchBytes(vocabulary: Int, width: Int, _ dtype: DType) -> Int {
    dtype == .bfloat16 && canScreen && OwnProducts.areOn ? vocabulary * width : 0
  }
}
