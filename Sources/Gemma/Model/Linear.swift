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
