import Tensors

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
