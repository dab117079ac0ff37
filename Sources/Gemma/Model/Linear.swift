import Tensors

/// A linear map without bias, y = W x, with or without a low-rank adapter beside it.
package struct Linear {
  /// W [out, in], as the checkpoint stores it.
  package var weight: Tensor
  /// What LoRA adds; nil when this map is not adapted.
  package var adapter: LowRankAdapter?

  /// The map of `weight` alone.
  package init(weight: Tensor) { self.weight = weight }

  /// `x` [T, in] mapped to [T, out], in x's dtype.
  /// - Parameter dropout: key of the adapter's dropout at this map and step; nil is no dropout.
  func callAsFunction(_ x: Tensor, _ operations: Operations, dropout: RandomKey?) -> Tensor {
    guard let adapter else { return operations.linear(x, weight) }
    var term = LowRankTerm(a: adapter.a, b: adapter.b, scale: adapter.scale)
    if let dropout { (term.dropout, term.dropoutKey) = (adapter.dropout, dropout) }
    return operations.linear(x, weight, adapter: term)
  }
}

/// LoRA's addition to a linear map: scale · B A x.
/// Source: Hu et al. 2021, section 4.1; PEFT tuners/lora/layer.py.
package struct LowRankAdapter {
  /// A [R, in], float32 over a bfloat16 base too (PEFT's `autocast_adapter_dtype`).
  package var a: Tensor
  /// B [out, R], float32.
  package var b: Tensor
  /// alpha / R.
  package var scale: Float
  /// Probability of dropping an element of the adapter's input while training.
  package var dropout: Float

  /// An adapter of two matrices whose ranks agree.
  package init(a: Tensor, b: Tensor, scale: Float, dropout: Float) {
    precondition(a.shape[0] == b.shape[1], "LowRankAdapter: A \(a.shape), B \(b.shape)")
    self.a = a
    self.b = b
    self.scale = scale
    self.dropout = dropout
  }
}
