extension Operations {
  /// Causal attention within each sequence. N / K query heads share a key/value head.
  ///
  /// Scores, soft cap, mask, soft-max and sums are float32. The mask comes after the soft cap.
  /// - q: [T, N·H]; k, v: [S, K·H].  - Returns: [T, N·H] in q's dtype.
  /// - Keeps for backward: q, k, v, the output, and the log of each soft-max's denominator.
  /// Source: Vaswani et al. 2017, eq. 1; Ainslie et al. 2023 (groups); Dao et al. 2022, algorithm 4
  /// (backward).
  package func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape, segments: [AttentionSegment]
  ) -> Tensor {
    let (output, logSumExp) = kernels.attentionForward(q, k, v, shape, segments: segments)
    return recorded(output, from: [q, k, v]) { dO in
      let (dQ, dK, dV) = kernels.attentionBackward(
        dO, q, k, v, o: output, logSumExp: logSumExp, shape, segments: segments)
      q.node?.receive(dQ, kernels)
      k.node?.receive(dK, kernels)
      v.node?.receive(dV, kernels)
    }
  }
}
