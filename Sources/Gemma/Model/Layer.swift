import Tensors

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
