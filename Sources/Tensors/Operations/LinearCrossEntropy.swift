extension Operations {
  /// Summed cross-entropy of the soft-max over hidden · tableᵀ: `MD, VD, M -> 1`.
  /// All logits are never in memory at once.
  ///
  /// When a tape records, the gradients of `gradientScale` times the sum are computed in the forward pass,
  /// while a chunk's logits are in memory. So the objective's factor is `gradientScale`, and `backward` must
  /// be seeded with 1. The table's gradient is added in the forward pass too.
  /// - targets: int32 [M]; softCap c: logits become c · tanh(logit / c).
  /// - Returns: the sum in nats, float32 [1], added up in float64; and each target's loss, float32 [M].
  /// - Keeps for backward: the gradient of hidden.
  /// Source: Gemma team 2024, "Gemma 2", sec. 2 (soft cap); Hsu et al. 2024, "Liger Kernel", sec. 3.2
  /// (chunks).
  package func linearCrossEntropy(
    _ hidden: Tensor, _ table: Tensor, targets: Tensor, softCap: Float?, gradientScale: Float
  ) -> (lossSum: Tensor, losses: Tensor) {
    let isRecording = tape != nil && (hidden.node != nil || table.node != nil)
    var options = CrossEntropyOptions(softCap: softCap, gradientScale: isRecording ? gradientScale : nil)
    if isRecording, let node = table.node {
      options.dTable = node.isParameter ? node.accumulator : kernels.zeros(table.shape, .float32)
    }
    let result = kernels.linearCrossEntropy(hidden, table, targets: targets, options)
    let lossSum = recorded(kernels.sum(result.losses), from: [hidden, table]) { seed in
      let factor = kernels.onHost(seed).floats
      precondition(factor == [1], "linearCrossEntropy: seed \(factor), must be [1.0]")
      if let dHidden = result.dHidden { hidden.node?.receive(dHidden, kernels) }
      if let node = table.node, !node.isParameter, let dTable = options.dTable {
        node.receive(kernels.converted(dTable, to: table.dtype, scale: 1), kernels)
      }
    }
    return (lossSum, result.losses)
  }
}
