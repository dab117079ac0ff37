import Tensors

/// One of the norms of a layer, by its name in a checkpoint. The raw value is the path inside the layer.
///
/// One name stands at different places in different families; see `LayerNormPlaces`.
package enum LayerNorm: String, CaseIterable, Sendable {
  case input = "input_layernorm"
  case postAttention = "post_attention_layernorm"
  case preFeedforward = "pre_feedforward_layernorm"
  case postFeedforward = "post_feedforward_layernorm"
  case query = "self_attn.q_norm"
  case key = "self_attn.k_norm"

  /// The norms that a layer of this configuration has, in the order of the parameters.
  package static func all(in configuration: ModelConfiguration) -> [LayerNorm] {
    LayerNormPlaces(configuration.family).all
  }

  /// Shape of the weight: [D], or [H] for the norms of queries and keys.
  package func shape(in configuration: ModelConfiguration) -> Shape {
    self == .query || self == .key ? [configuration.headDim] : [configuration.hiddenSize]
  }
}

/// Which norm stands at which place in the layers of a family; nil where the family has none there.
///
/// Source: transformers modeling_gemma.py, modeling_gemma2.py, modeling_gemma3.py, the decoder layers.
package struct LayerNormPlaces: Equatable, Sendable {
  /// On the input of attention.
  package let beforeAttention: LayerNorm
  /// On the output of attention, before it joins the residual stream.
  package let afterAttention: LayerNorm?
  /// On the input of the MLP.
  package let beforeMLP: LayerNorm
  /// On the output of the MLP, before it joins the residual stream.
  package let afterMLP: LayerNorm?
  /// On each head of the queries and of the keys, before rotation.
  package let queries: LayerNorm?, keys: LayerNorm?

  /// The places of a family.
  package init(_ family: ModelConfiguration.Family) {
    beforeAttention = .input
    (queries, keys) = family == .gemma3 ? (.query, .key) : (nil, nil)
    switch family {
    case .gemma:
      // Gemma 1's norm before the MLP bears the name that later families give to the norm after attention.
      (afterAttention, beforeMLP, afterMLP) = (nil, .postAttention, nil)
    case .gemma2, .gemma3:
      (afterAttention, beforeMLP, afterMLP) = (.postAttention, .preFeedforward, .postFeedforward)
    }
  }

  /// All norms of a layer, in the order of the parameters.
  package var all: [LayerNorm] {
    [beforeAttention, afterAttention, beforeMLP, afterMLP, queries, keys].compactMap { $0 }
  }
}
