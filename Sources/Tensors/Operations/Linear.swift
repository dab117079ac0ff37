extension Operations {
  /// y = x · weightᵀ: `TK, NK -> TN`, summed in float32, rounded once to x's dtype.
  ///
  /// Backward computes dX = dY · weight (rounded to x's dtype) only if x is differentiated, and adds dYᵀ · x to the weight's
  /// float32 accumulator in place.
  /// - Accuracy: as `Kernels.multiply`.  - Keeps for backward: x.
  package func linear(_ x: Tensor, _ weight: Tensor) -> Tensor {
    let y = kernels.uninitialized([x.shape[0], weight.shape[0]], x.dtype)
    kernels.multiply(.stored(x), .transposed(weight), scale: 1, .replacing, y)
    return recorded(y, from: [x, weight]) { dY in
      if let node = x.node {
        node.receive(product(dY, weight, as: x.dtype), kernels)
      }
      weight.node?.add(like: weight, kernels) { dWeight in
        kernels.multiply(.transposed(dY), .stored(x), scale: 1, .adding, dWeight)
      }
    }
  }

  /// base + scale · (x · aᵀ) · bᵀ: `TN + TK, RK, NR -> TN`, an adapter's share on top of its layer's output.
  ///
  /// As PEFT computes it with float32 adapters: x enters as float32, everything is summed in float32, and the sum is
  /// rounded once to base's dtype. x may be a dropped-out copy of the layer's input.
  /// - Keeps for backward: x, x · aᵀ (float32 [T, R]).
  /// Source: Hu et al. 2021, eq. 3; peft tuners/lora/layer.py, Linear.forward.
  package func lowRank(_ x: Tensor, onto base: Tensor, a: Tensor, b: Tensor, scale: Float) -> Tensor {
    let inner = kernels.uninitialized([x.shape[0], a.shape[0]], .float32)
    kernels.multiply(.stored(x), .transposed(a), scale: 1, .replacing, inner)
    let y = kernels.copied(base)
    kernels.multiply(.stored(inner), .transposed(b), scale: scale, .adding, y)
    return recorded(y, from: [x, base, a, b]) { dY in
      base.node?.receive(dY, kernels)
      b.node?.add(like: b, kernels) { dB in
        kernels.multiply(.transposed(dY), .stored(inner), scale: scale, .adding, dB)
      }
      if x.node == nil && a.node == nil { return }
      let dInner = kernels.uninitialized(inner.shape, .float32)
      kernels.multiply(.stored(dY), .stored(b), scale: scale, .replacing, dInner)
      a.node?.add(like: a, kernels) { dA in
        kernels.multiply(.transposed(dInner), .stored(x), scale: 1, .adding, dA)
      }
      if let node = x.node { node.receive(product(dInner, a, as: x.dtype), kernels) }
    }
  }

  private func product(_ left: Tensor, _ right: Tensor, as dtype: DType) -> Tensor {
    let result = kernels.uninitialized([left.shape[0], right.shape[1]], dtype)
    kernels.multiply(.stored(left), .stored(right), scale: 1, .replacing, result)
    return result
  }
}
