extension Operations {
  /// Root-mean-square norm over the last dimension: x / sqrt(mean(x²) + epsilon) · (1 + weight), in float32.
  /// - x: [.., D]; weight: [D] as stored in the checkpoint (Gemma adds 1).  - Returns: x's shape and dtype.
  /// - Keeps for backward: x, 1 / sqrt(…) of each row.
  /// Source: Zhang & Sennrich 2019, eq. 4; transformers modeling_gemma.py, GemmaRMSNorm.
  package func rmsNorm(_ x: Tensor, _ weight: Tensor, epsilon: Float) -> Tensor {
    let (output, rstd) = kernels.rmsNormForward(x, weight, epsilon: epsilon)
    return recorded(output, from: [x, weight]) { dY in
      var dX: Tensor?
      if let node = weight.node {
        node.add(like: weight, kernels) { dWeight in
          dX = kernels.rmsNormBackward(dY, x, weight, rstd: rstd, dWeight: dWeight)
        }
      } else {
        dX = kernels.rmsNormBackward(dY, x, weight, rstd: rstd, dWeight: nil)
      }
      if let dX { x.node?.receive(dX, kernels) }
    }
  }
}
