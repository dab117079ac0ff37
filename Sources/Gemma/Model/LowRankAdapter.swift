import Tensors

/// LoRA's addition to a linear map: scale · B A x.
/// Source: Hu et al. 2021, section 4.1; PEFT tuners/lora/layer.py.
package struct LowRankAdapter {
  /// A [R, in], float32 over a bfloat16 base too (PEFT's `autocast_adapter_dtype`).
  package var a: Tensor
  /// B [out, R], float32.
  package var b: Tensor
  /// alpha / R.
  package var scale: Float
  /// Probability of dropping an element of the adapter's input while training.
  package var dropout: Float

  /// An adapter of two matrices whose ranks agree.
  package init(a: Tensor, b: Tensor, scale: Float, dropout: Float) {
    precondition(a.shape[0] == b.shape[1], "LowRankAdapter: A \(a.shape), B \(b.shape)")
    self.a = a
    self.b = b
    self.scale = scale
    self.dropout = dropout
  }
}
