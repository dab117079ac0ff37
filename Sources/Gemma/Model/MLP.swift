import Tensors

/// Feed-forward block of one layer: down(gelu_tanh(gate x) · up x).
package struct MLP {
  package var gateProj: Linear, upProj: Linear, downProj: Linear

  /// `x` [T, D] mapped to [T, D] through [T, F].
  func callAsFunction(_ x: Tensor, _ operations: Operations, dropout: RandomKey?) -> Tensor {
    let gate = gateProj(x, operations, dropout: dropout?.derived(4))
    let up = upProj(x, operations, dropout: dropout?.derived(5))
    return downProj(operations.geglu(gate, up), operations, dropout: dropout?.derived(6))
  }
}
