import Tensors

/// Self-attention of one layer.
package struct Attention {
  package var qProj: Linear, kProj: Linear, vProj: Linear, oProj: Linear
  /// Gemma 3: norms [H] of each head's queries and keys, before RoPE.
  package var qNorm: Tensor?, kNorm: Tensor?
  /// Whether the layer attends to everything or within a window.
  package let kind: ModelConfiguration.LayerKind

  /// Attention over `x` [T, D]; the result is [T, D].
  func callAsFunction(
    _ x: Tensor, _ operations: Operations, _ context: ForwardContext, layer: Int, dropout: RandomKey?
  ) -> Tensor {
    let shape = context.attention(kind)
    var q = qProj(x, operations, dropout: dropout?.derived(0))  // TD, (NH)D -> T(NH)
    var k = kProj(x, operations, dropout: dropout?.derived(1))  // TD, (KH)D -> T(KH)
    var v = vProj(x, operations, dropout: dropout?.derived(2))
    if let qNorm { q = headNormed(q, qNorm, operations, context, headDim: shape.headDim) }
    if let kNorm { k = headNormed(k, kNorm, operations, context, headDim: shape.headDim) }
    q = operations.rotary(q, positions: context.positions, context.rotary(kind))
    k = operations.rotary(k, positions: context.positions, context.rotary(kind))
    if let (store, places) = context.cache {
      (k, v) = store.keysAndValues(adding: k, v, at: places, layer: layer)
    }
    let attended =
      switch context.segments {
      case .sequences(let segments): operations.attention(q, k, v, shape, segments: segments)
      case .decoding(let segments, let longest):
        operations.kernels.attentionDecode(q, k, v, shape, segments: segments, longest: longest)
      }
    return oProj(attended, operations, dropout: dropout?.derived(3))
  }

  private func headNormed(
    _ x: Tensor, _ weight: Tensor, _ operations: Operations, _ context: ForwardContext, headDim: Int
  ) -> Tensor {
    let heads = operations.reshape(x, [x.count / headDim, headDim])
    return operations.reshape(operations.rmsNorm(heads, weight, epsilon: context.epsilon), x.shape)
  }
}
