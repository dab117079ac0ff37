extension Operations {
  /// a + b, of one shape and dtype, summed in float32 and rounded once.
  package func add(_ a: Tensor, _ b: Tensor) -> Tensor { recorded(kernels.add(a, b), asSumOf: a, b) }

  /// `sum`, the sum of a and b, as a value on the tape.
  func recorded(_ sum: Tensor, asSumOf a: Tensor, _ b: Tensor) -> Tensor {
    // Keeps the nodes alone: the gradients need no elements of a and b.
    let (nodeA, nodeB) = (a.node, b.node)
    return recorded(sum, from: [a, b]) { dSum in
      nodeA?.receive(dSum, kernels)
      nodeB?.receive(dSum, kernels)
    }
  }

  /// x in another dtype, rounded once; the gradient is converted back.
  package func converted(_ x: Tensor, to dtype: DType) -> Tensor {
    if x.dtype == dtype { return x }
    return recorded(kernels.converted(x, to: dtype, scale: 1), from: [x]) { dY in
      x.node?.receive(kernels.converted(dY, to: x.dtype, scale: 1), kernels)
    }
  }

  /// The same elements in another shape; no copy.
  package func reshape(_ x: Tensor, _ shape: Shape) -> Tensor {
    recorded(x.reshaped(shape), from: [x]) { dY in x.node?.receive(dY.reshaped(x.shape), kernels) }
  }
}
