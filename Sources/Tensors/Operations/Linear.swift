extension Operations {
  /// y = x · weightᵀ: `TK, NK -> TN`, summed in float32, rounded once to x's dtype.
  ///
  /// Backward computes dX = dY · weight (rounded to x's dtype) only if x is differentiated. It writes dYᵀ · x
  /// to the weight's gradient in place: float32, or rounded once to bfloat16.
  /// - Accuracy: that of `Kernels.multiply`.  - Keeps for backward: x.
  package func linear(_ x: Tensor, _ weight: Tensor) -> Tensor {
    let y = kernels.uninitialized([x.shape[0], weight.shape[0]], x.dtype)
    kernels.multiply(.stored(x), .transposed(weight), scale: 1, .replacing, y)
    return recorded(y, from: [x, weight]) { dY in
      if let node = x.node {
        node.receive(product(dY, weight, as: x.dtype), kernels)
      }
      weight.node?.receive(.transposed(dY), .stored(x), scale: 1, like: weight, kernels)
    }
  }

  /// A linear map and its adapter: y = x · weightᵀ + scale · (input · aᵀ) · bᵀ, or `TK, NK -> TN` plus `TK,
  /// RK, NR -> TN`. `input` is x, or with dropout a dropped-out copy.
  ///
  /// It rounds as PEFT does with float32 adapters: x · weightᵀ is rounded to x's dtype, input enters as
  /// float32, the rest is summed in float32, and the sum is rounded once more.
  /// - Keeps for backward: x, input, input · aᵀ (float32 [T, R]).
  /// Source: Hu et al. 2021, eq. 3; peft tuners/lora/layer.py, Linear.forward.
  package func linear(_ x: Tensor, _ weight: Tensor, adapter: LowRankTerm) -> Tensor {
    let y = linear(x, weight)
    let input = dropout(x, probability: adapter.dropout, key: adapter.dropoutKey)
    return lowRank(input, adapter, into: y)
  }

  /// Adds to y in place: y was made by `linear`, and nothing else holds it yet.
  private func lowRank(_ x: Tensor, _ term: LowRankTerm, into y: Tensor) -> Tensor {
    let (a, b, scale, base) = (term.a, term.b, term.scale, y.node)
    let inner = kernels.uninitialized([x.shape[0], a.shape[0]], .float32)
    kernels.multiply(.stored(x), .transposed(a), scale: 1, .replacing, inner)
    kernels.multiply(.stored(inner), .transposed(b), scale: scale, .adding, y)
    return recorded(y, from: [x, y, a, b]) { dY in
      base?.receive(dY, kernels)
      b.node?.receive(.transposed(dY), .stored(inner), scale: scale, like: b, kernels)
      if x.node == nil && a.node == nil { return }
      let dInner = kernels.uninitialized(inner.shape, .float32)
      kernels.multiply(.stored(dY), .stored(b), scale: scale, .replacing, dInner)
      a.node?.receive(.transposed(dInner), .stored(x), scale: 1, like: a, kernels)
      if let node = x.node { node.receive(product(dInner, a, as: x.dtype), kernels) }
    }
  }

  private func product(_ left: Tensor, _ right: Tensor, as dtype: DType) -> Tensor {
    let result = kernels.uninitialized([left.shape[0], right.shape[1]], dtype)
    kernels.multiply(.stored(left), .stored(right), scale: 1, .replacing, result)
    return result
  }
}

extension TapeNode {
  /// Gives the node scale · left · right as a share of its gradient. For a parameter, the product is computed
  /// into its gradient; otherwise it is a tensor like `value`.
  fileprivate func receive(
    _ left: Operand, _ right: Operand, scale: Float, like value: Tensor, _ kernels: any Kernels
  ) {
    if isParameter {
      let (gradient, store) = takeTarget()
      kernels.multiply(left, right, scale: scale, store, gradient)
    } else {
      let share = kernels.uninitialized(value.shape, value.dtype)
      kernels.multiply(left, right, scale: scale, .replacing, share)
      receive(share, kernels)
    }
  }
}

/// The term that a low-rank adapter adds to a linear map: scale · (input · aᵀ) · bᵀ.
package struct LowRankTerm {
  /// [R, in] and [out, R], float32.
  package var a: Tensor, b: Tensor
  /// Factor of the product.
  package var scale: Float
  /// Probability of dropping an element of the input, and the key of the mask.
  package var dropout: Float, dropoutKey: RandomKey

  /// Factors and scale. The default is no dropout.
  package init(
    a: Tensor, b: Tensor, scale: Float, dropout: Float = 0,
    dropoutKey: RandomKey = RandomKey(seed: 0, stream: 0)
  ) {
    self.a = a
    self.b = b
    self.scale = scale
    self.dropout = dropout
    self.dropoutKey = dropoutKey
  }
}
