extension Operations {
  /// x with elements zeroed with `probability` and the others times 1 / (1 - probability).
  ///
  /// The mask depends on `key` alone, so that backward and a recomputed block draw the same mask.
  /// - probability: 0 ..< 1; 0 returns `x` itself.
  /// Source: Srivastava et al. 2014, section 10 (scaled at training time).
  package func dropout(_ x: Tensor, probability: Float, key: RandomKey) -> Tensor {
    if probability == 0 { return x }
    return recorded(kernels.dropped(x, probability: probability, key: key), from: [x]) { dY in
      x.node?.receive(kernels.dropped(dY, probability: probability, key: key), kernels)
    }
  }
}
