/// The map to the vocabulary: losses, logits and the most likely token.
package protocol VocabularyKernels {
  /// Linear map to the vocabulary and cross-entropy, in chunks: never all logits at once.
  /// See `Operations.linearCrossEntropy`.
  func linearCrossEntropy(_ hidden: Tensor, _ table: Tensor, targets: Tensor, _ options: CrossEntropyOptions)
    -> CrossEntropyResult
  /// The search for the most likely token, with the map to the vocabulary `table` [V, D].
  ///
  /// For many searches a conformer may first make what speeds them up, which takes memory and time.
  /// - searches: how many times about `argmax` will be called.
  func vocabularySearch(_ table: Tensor, searches: Int) -> any VocabularySearch
  /// All logits, float32 [M, V]: for small M.
  func logits(_ hidden: Tensor, _ table: Tensor, softCap: Float?) -> Tensor

  /// Bytes of the largest buffer that `linearCrossEntropy` keeps of the logits of `rows` target rows: what a
  /// plan asks before there are kernels.
  /// - deviceMemory: all memory of the device, in bytes; the CPU does not look at it.
  static func logitBytes(rows: Int, vocabulary: Int, _ dtype: DType, deviceMemory: Int) -> Int
  /// Bytes that a search of many calls keeps beside a table of this size: at most, and for a plan.
  static func searchBytes(vocabulary: Int, width: Int, _ dtype: DType) -> Int
}

/// Finds the most likely token of each vector with one map to the vocabulary.
package protocol VocabularySearch {
  /// The id with the largest logit of each row of hidden [M, D].
  ///
  /// A soft cap keeps the order of logits, so none is applied.
  /// - Returns: int32 [M]: the lowest id on ties, -1 for a row with a logit that is not finite.
  func argmax(_ hidden: Tensor) -> Tensor
}

/// How a cross-entropy is computed.
package struct CrossEntropyOptions {
  /// c: logits become c · tanh(logit / c); nil leaves them.
  package var softCap: Float?
  /// When given, gradients are computed in the same pass: of this factor times the summed loss.
  package var gradientScale: Float?
  /// Where the table's gradient is added (float32 [V, D]); nil when the table is frozen.
  package var dTable: Tensor?

  /// All of it.
  package init(softCap: Float? = nil, gradientScale: Float? = nil, dTable: Tensor? = nil) {
    self.softCap = softCap
    self.gradientScale = gradientScale
    self.dTable = dTable
  }
}

/// What a cross-entropy gave.
package struct CrossEntropyResult {
  /// Loss of each target, float32 [M], in nats.
  package var losses: Tensor
  /// Gradient of `gradientScale` times the summed loss with respect to hidden, in its dtype; nil when not
  /// asked for.
  package var dHidden: Tensor?

  /// Losses, and perhaps the gradient.
  package init(losses: Tensor, dHidden: Tensor?) {
    self.losses = losses
    self.dHidden = dHidden
  }
}
