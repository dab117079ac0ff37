import Tensors

/// The residual stream between two blocks, x + addend. The sum is left to the next block's norm.
struct ResidualStream {
  /// The stream before the last block, [T, D].
  var x: Tensor
  /// What the last block adds, [T, D]; nil where `x` is the whole stream.
  var addend: Tensor?

  /// x + addend.
  func sum(_ operations: Operations) -> Tensor { addend.map { operations.add(x, $0) } ?? x }

  /// x + addend, and its norm.
  func normed(_ weight: Tensor, _ operations: Operations, _ context: ForwardContext)
    -> (sum: Tensor, normed: Tensor)
  {
    if let addend { return operations.addRMSNorm(x, addend, weight, epsilon: context.epsilon) }
    return (x, operations.rmsNorm(x, weight, epsilon: context.epsilon))
  }
}
