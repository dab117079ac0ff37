extension Operations {
  /// Rows of an embedding table times `scale`.
  ///
  /// Gemma scales by sqrt(hidden size) rounded to the table's dtype; the caller rounds it.
  /// - ids: int32 [T]; table: [V, D].  - Returns: [T, D] in the table's dtype.  - Keeps for backward: ids.
  /// Source: transformers modeling_gemma3.py, Gemma3TextScaledWordEmbedding.
  package func embedding(_ ids: Tensor, _ table: Tensor, scale: Float = 1) -> Tensor {
    let output = kernels.embeddingForward(ids, table, scale: scale)
    return recorded(output, from: [table]) { dY in
      table.node?.add(like: table, kernels) { dTable in
        kernels.embeddingBackward(dY, ids, scale: scale, into: dTable)
      }
    }
  }
}

extension TapeNode {
  /// Calls `body` with a float32 tensor to add a gradient to. It is the accumulator of a parameter, and
  /// otherwise zeros, which the node then receives.
  func add(like value: Tensor, _ kernels: any Kernels, _ body: (Tensor) -> Void) {
    if isParameter { return body(accumulator) }
    let sum = kernels.zeros(value.shape, .float32)
    body(sum)
    receive(value.dtype == .float32 ? sum : kernels.converted(sum, to: value.dtype, scale: 1), kernels)
  }
}
