extension Operations {
  /// Gradient checkpointing: computes `body(x)` without recording it, and again when the gradient comes back.
  ///
  /// Between the two, only `x` of the block stays in memory. `body` must give the same result both times. The
  /// parameters that it uses receive their gradients as if `body` had been recorded at once.
  /// Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
  package func checkpoint(_ x: Tensor, _ body: @escaping (Operations, Tensor) -> Tensor) -> Tensor {
    let output = body(Operations(kernels), x.detached)
    guard let tape else { return output }
    return tape.record(output) { dOutput in
      let inner = Tape()
      let input = inner.watch(x)
      let again = body(Operations(kernels, tape: inner), input)
      inner.backward(from: again, seed: dOutput, kernels)
      if let dX = input.node?.gradient { x.node?.receive(dX, kernels) }
    }
  }
}
