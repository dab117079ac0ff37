extension Operations {
  /// Root-mean-square norm over the last dimension: x / sqrt(mean(x²) + epsilon) · (1 + weight), in float32.
  /// - x: [.., D]; weight: [D] as stored in the checkpoint (Gemma adds 1).  - Returns: x's shape and dtype.
  /// - Keeps for backward: x, 1 / sqrt(…) of each row.
  /// Source: Zhang & Sennrich 2019, eq. 4; transformers modeling_gemma.py, GemmaRMSNorm.
  package func rmsNorm(_ x: Tensor, _ weight: Tensor, epsilon: Float) -> Tensor {
    let (output, rstd) = kernels.rmsNormForward(x, weight, epsilon: epsilon)
    return recorded(output, asNormOf: x, weight, rstd: rstd)
  }

  /// a + b, rounded to their dtype, and the norm of that sum: add, then `rmsNorm`. Kernels that can do both
  /// in one pass do so.
  /// - a, b: one shape [.., D] and dtype; weight: [D].  - Returns: both in that shape and dtype; both are
  ///   differentiated.
  /// - Keeps for backward: the sum, 1 / sqrt(…) of each row.
  package func addRMSNorm(_ a: Tensor, _ b: Tensor, _ weight: Tensor, epsilon: Float)
    -> (sum: Tensor, normed: Tensor)
  {
    let (sum, output, rstd) = kernels.addRMSNormForward(a, b, weight, epsilon: epsilon)
    let recordedSum = recorded(sum, asSumOf: a, b)
    return (recordedSum, recorded(output, asNormOf: recordedSum, weight, rstd: rstd))
  }

  /// The norm of x, on the tape.
  ///
  /// When this closure runs, the closures of operations recorded later have run. So the node of x holds their
  /// gradients: those of a residual stream, except for the norm's own. The kernel adds them in its pass.
  private func recorded(_ output: Tensor, asNormOf x: Tensor, _ weight: Tensor, rstd: Tensor) -> Tensor {
    recorded(output, from: [x, weight]) { dY in
      let dSum = x.node?.takeGradient()
      var dX: Tensor?
      if let node = weight.node {
        node.add(like: weight, kernels) { dWeight in
          dX = kernels.rmsNormBackward(dY, x, weight, rstd: rstd, dSum: dSum, dWeight: dWeight)
        }
      } else {
        dX = kernels.rmsNormBackward(dY, x, weight, rstd: rstd, dSum: dSum, dWeight: nil)
      }
      if let dX { x.node?.receive(dX, kernels) }
    }
  }
}
