extension Operations {
  /// The rows of `x` at `rows`, such as the hidden states whose logits are needed.
  /// - x: [T, D]; rows: int32 [M]; a row may occur twice.  - Returns: [M, D] in x's dtype.
  /// - Keeps for backward: rows.
  package func gather(_ x: Tensor, rows: Tensor) -> Tensor {
    let (count, node) = (x.rowCount, x.node)
    return recorded(kernels.gathered(x, rows: rows), from: [x]) { dY in
      node?.receive(kernels.scattered(dY, rows: rows, count: count), kernels)
    }
  }
}
