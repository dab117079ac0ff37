import Tensors

/// What all layers of one forward pass share.
struct ForwardContext {
  /// Position of each token in its sequence, int32 [T].
  var positions: Tensor
  /// Attention heads of full layers, and of layers with a window.
  var fullAttention: AttentionShape, slidingAttention: AttentionShape
  /// Rotation angles of either kind of layer.
  var fullRotary: RotaryTable, slidingRotary: RotaryTable
  var epsilon: Float
  /// Which tokens attend to which.
  var segments: PassSegments
  /// The cache of keys and values that this pass fills and reads, and the places of its tokens there, int32
  /// [T]; nil where the tokens attend to each other alone.
  var cache: (store: KeyValueCache, places: Tensor)?
  /// Key of the adapters' dropout in this forward pass; nil without dropout.
  var dropout: RandomKey?

  func attention(_ kind: ModelConfiguration.LayerKind) -> AttentionShape {
    kind == .full ? fullAttention : slidingAttention
  }
  func rotary(_ kind: ModelConfiguration.LayerKind) -> RotaryTable {
    kind == .full ? fullRotary : slidingRotary
  }
}

/// The segments of one forward pass.
enum PassSegments {
  /// Sequences of any length.
  case sequences([AttentionSegment])
  /// Decoding, one token a sequence. The segments are data (`OperationKernels.attentionDecode`), so that a
  /// recorded pass can be replayed with other segments. No segment has more than `longest` keys.
  case decoding(Tensor, longest: Int)
}

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

/// Feed-forward block of one layer: down(gelu_tanh(gate x) · up x).
package struct MLP {
  package var gateProj: Linear, upProj: Linear, downProj: Linear

  /// `x` [T, D] mapped to [T, D] through [T, F].
  func callAsFunction(_ x: Tensor, _ operations: Operations, dropout: RandomKey?) -> Tensor {
    let gate = gateProj(x, operations, dropout: dropout?.derived(4))
    let up = upProj(x, operations, dropout: dropout?.derived(5))
    return downProj(operations.geglu(gate, up), operations, dropout: dropout?.derived(6))
  }
}

/// One decoder layer. Gemma 1 has a norm before each block, Gemma 2 and 3 before and after each block.
package struct Layer {
  /// Norm before attention: `input_layernorm`.
  package var inputNorm: Tensor
  package var attention: Attention
  /// Norm after attention, Gemma 2 and 3: `post_attention_layernorm`.
  package var postAttentionNorm: Tensor?
  /// Norm before the MLP: `pre_feedforward_layernorm`, which Gemma 1 calls `post_attention_layernorm`.
  package var preFeedforwardNorm: Tensor
  package var mlp: MLP
  /// Norm after the MLP, Gemma 2 and 3: `post_feedforward_layernorm`.
  package var postFeedforwardNorm: Tensor?

  /// The residual stream after this layer.
  func callAsFunction(
    _ stream: ResidualStream, _ operations: Operations, _ context: ForwardContext, index: Int
  ) -> ResidualStream {
    let dropout = context.dropout?.derived(UInt64(index))
    func normed(_ x: Tensor, _ weight: Tensor?) -> Tensor {
      weight.map { operations.rmsNorm(x, $0, epsilon: context.epsilon) } ?? x
    }
    let (x, attentionInput) = stream.normed(inputNorm, operations, context)
    let attended = attention(attentionInput, operations, context, layer: index, dropout: dropout)
    let (middle, mlpInput) = ResidualStream(x: x, addend: normed(attended, postAttentionNorm))
      .normed(preFeedforwardNorm, operations, context)
    let fed = mlp(mlpInput, operations, dropout: dropout)
    return ResidualStream(x: middle, addend: normed(fed, postFeedforwardNorm))
  }
}

/// The residual stream between two blocks, x + addend. The sum is left to the next block's norm.
struct ResidualStream {
  /// The stream before the last block, [T, D].
  var x: Tensor
  /// What the last block adds, [T, D]; nil where `x` is the whole stream.
  var addend: Tensor?

  /// x + addend.
  func sum(_ operations: Operations) -> Tensor { addend.map { operations.add(x, $0) } ?? x }

  /// x + addend, and its norm.
  func normed(_ weight: Tensor, _ operations: Operations, _ context: ForwardContext)
    -> (sum: Tensor, normed: Tensor)
  {
    if let addend { return operations.addRMSNorm(x, addend, weight, epsilon: context.epsilon) }
    return (x, operations.rmsNorm(x, weight, epsilon: context.epsilon))
  }
}
