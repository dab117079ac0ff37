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
