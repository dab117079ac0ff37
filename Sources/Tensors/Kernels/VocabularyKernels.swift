/// The map to the vocabulary: losses, logits and the most likely token.
package protocol VocabularyKernels {
  /// Linear map to the vocabulary and cross-entropy, in chunks, so that all logits are never in memory at
  /// once.
  /// See `Operations.linearCrossEntropy`.
  func linearCrossEntropy(_ hidden: Tensor, _ table: Tensor, targets: Tensor, _ options: CrossEntropyOptions)
    -> CrossEntropyResult
  /// The search for the most likely token, with the map to the vocabulary `table` [V, D].
  ///
  /// For many searches, a conformer may first build tables that make them faster. That takes memory and time.
  /// - searches: about how often `argmax` will be called.
  func vocabularySearch(_ table: Tensor, searches: Int) -> any VocabularySearch
  /// All logits, float32 [M, V]. M must be small.
  func logits(_ hidden: Tensor, _ table: Tensor, softCap: Float?) -> Tensor

  /// Bytes of the largest buffer of logits that `linearCrossEntropy` keeps for `rows` target rows.
  /// A plan asks this before any kernels are made.
  /// - deviceMemory: all memory of the device, in bytes; the CPU ignores it.
  static func logitBytes(rows: Int, vocabulary: Int, _ dtype: DType, deviceMemory: Int) -> Int
  /// Upper bound, for a plan, on the bytes that a search of many calls keeps beside a table of this size.
  static func searchBytes(vocabulary: Int, width: Int, _ dtype: DType) -> Int
}

/// Finds the most likely token of each vector with one map to the vocabulary.
package protocol VocabularySearch {
  /// The id with the largest logit of each row of hidden [M, D].
  ///
  /// No soft cap is applied, because it does not change the order of logits.
  /// - Returns: int32 [M]: the lowest id on ties, -1 for a row with a logit that is not finite.
  func argmax(_ hidden: Tensor) -> Tensor
}

/// How a cross-entropy is computed.
package struct CrossEntropyOptions {
  /// c: logits become c · tanh(logit / c); nil leaves them.
  package var softCap: Float?
  /// When given, gradients of this factor times the summed loss are computed in the same pass.
  package var gradientScale: Float?
  /// Where the table's gradient is added (float32 [V, D]); nil when the table is frozen.
  package var dTable: Tensor?

  /// Soft cap, factor of the gradients, and the table's gradient.
  package init(softCap: Float? = nil, gradientScale: Float? = nil, dTable: Tensor? = nil) {
    self.softCap = softCap
    self.gradientScale = gradientScale
    self.dTable = dTable
  }
}

/// Losses of a cross-entropy, and perhaps a gradient.
package struct CrossEntropyResult {
  /// Loss of each target, float32 [M], in nats.
  package var losses: Tensor
  /// Gradient of `gradientScale` times the summed loss with respect to hidden, in its dtype; nil without
  /// `gradientScale`.
  package var dHidden: Tensor?

  /// Losses, and the gradient of hidden if it was computed.
  package init(losses: Tensor, dHidden: Tensor?) {
    self.losses = losses
    self.dHidden = dHidden
  }
}
