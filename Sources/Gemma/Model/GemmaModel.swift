import Tensors

/// A Gemma 1, 2 or 3 text model: its parameters, and how tokens become losses and logits.
///
/// A value: copies share the storage of the parameters, which only an optimizer writes.
/// Source: transformers modeling_gemma.py, modeling_gemma2.py, modeling_gemma3.py.
package struct GemmaModel {
  /// Sizes and family.
  package let configuration: ModelConfiguration
  /// E [V, D]: the input embedding and, unscaled, the output map.
  package var embedding: Tensor
  /// The decoder layers, first to last.
  package var layers: [Layer]
  /// `model.norm` [D].
  package var finalNorm: Tensor

  /// Element type of weights and activations.
  package var dtype: DType { embedding.dtype }

  /// sqrt(D) rounded to the weights' dtype, as transformers does (GemmaTextScaledWordEmbedding).
  private var embeddingScale: Float {
    let scale = Float(configuration.hiddenSize).squareRoot()
    return dtype == .bfloat16 ? widened(roundedToBFloat16(scale)) : scale
  }

  /// The attention heads of one kind of layer.
  private func attentionShape(_ kind: ModelConfiguration.LayerKind) -> AttentionShape {
    AttentionShape(
      headCount: configuration.numAttentionHeads, keyValueHeadCount: configuration.numKeyValueHeads,
      headDim: configuration.headDim, scale: Float(configuration.attentionScale),
      window: kind == .sliding ? configuration.slidingWindow : nil,
      softCap: configuration.attnLogitSoftcapping)
  }

  /// What all layers share in a forward pass.
  /// - positions: int32 [T], in the kernels' place.
  /// - cache: the cache and the tokens' places in it, int32 [T], in the kernels' place.
  func context(
    positions: Tensor, _ segments: PassSegments, cache: (store: KeyValueCache, places: Tensor)? = nil,
    dropout: RandomKey? = nil
  ) -> ForwardContext {
    func rotary(_ kind: ModelConfiguration.LayerKind) -> RotaryTable {
      let embedding = configuration.rotary(of: kind)
      return RotaryTable(
        headDim: configuration.headDim, theta: embedding.theta, linearScale: embedding.linearScale)
    }
    return ForwardContext(
      positions: positions, fullAttention: attentionShape(.full),
      slidingAttention: attentionShape(.sliding), fullRotary: rotary(.full),
      slidingRotary: rotary(.sliding), epsilon: configuration.rmsNormEps, segments: segments, cache: cache,
      dropout: dropout)
  }

  /// The residual stream after all layers and before the final norm, [T, D]. `ids` is in the kernels' place.
  func residual(
    _ ids: Tensor, _ operations: Operations, _ context: ForwardContext, checkpointing: Bool
  ) -> Tensor {
    var stream = ResidualStream(x: operations.embedding(ids, embedding, scale: embeddingScale))
    for (index, layer) in layers.enumerated() {
      if checkpointing {
        stream.x = operations.checkpoint(stream.x) { inner, x in
          layer(ResidualStream(x: x), inner, context, index: index).sum(inner)
        }
      } else {
        stream = layer(stream, operations, context, index: index)
      }
    }
    return stream.sum(operations)
  }

  /// The given rows of the residual stream, normed for the output map: [M, D].
  func normed(_ residual: Tensor, rows: [Int32], _ operations: Operations) -> Tensor {
    normed(operations.gather(residual, rows: operations.kernels.placed(Tensor(rows))), operations)
  }

  /// The residual stream normed for the output map: [T, D].
  func normed(_ residual: Tensor, _ operations: Operations) -> Tensor {
    operations.rmsNorm(residual, finalNorm, epsilon: configuration.rmsNormEps)
  }

  /// Summed cross-entropy of a batch's targets, in nats.
  /// - Parameters:
  ///   - gradientScale: factor of this sum in the objective. The tape's root is seeded with 1.
  ///   - checkpointing: whether each layer is computed again for its gradient.
  ///   - dropout: key of the adapters' dropout in this forward pass; nil is no dropout.
  /// - Returns: `lossSum`, float32 [1], the tape's root; `losses`, float32 [M], one for each target.
  package func loss(
    _ batch: TokenBatch, _ operations: Operations, gradientScale: Float = 1, checkpointing: Bool = false,
    dropout: RandomKey? = nil
  ) -> (lossSum: Tensor, losses: Tensor) {
    let kernels = operations.kernels
    let context = context(
      positions: kernels.placed(Tensor(batch.positions)), .sequences(batch.segments), dropout: dropout)
    let residual = residual(
      kernels.placed(Tensor(batch.ids)), operations, context, checkpointing: checkpointing)
    return operations.linearCrossEntropy(
      normed(residual, rows: batch.targetRows, operations), embedding,
      targets: kernels.placed(Tensor(batch.targets)), softCap: configuration.finalLogitSoftcapping,
      gradientScale: gradientScale)
  }

  /// Logits of every token of a batch, float32 [T, V]. For tests and small batches.
  package func logits(_ batch: TokenBatch, _ kernels: any Kernels) -> Tensor {
    let operations = Operations(kernels)
    let context = context(positions: kernels.placed(Tensor(batch.positions)), .sequences(batch.segments))
    let residual = residual(kernels.placed(Tensor(batch.ids)), operations, context, checkpointing: false)
    let rows = (0..<Int32(batch.tokenCount)).map { $0 }
    return kernels.logits(
      normed(residual, rows: rows, operations), embedding, softCap: configuration.finalLogitSoftcapping)
  }
}
