import Files

/// The shape and constants of a Gemma 1, 2 or 3 text model, as `config.json` gives them.
///
/// Fields bear Hugging Face's names in lowerCamel. Sizes are positive and capped, so that no product of them
/// overflows `Int`.
package struct ModelConfiguration: Equatable, Sendable {
  /// The generation of the architecture; the raw value is `model_type`.
  package enum Family: String, CaseIterable, Sendable {
    /// Gemma 1.
    case gemma
    /// Gemma 2.
    case gemma2
    /// Gemma 3, text only.
    case gemma3 = "gemma3_text"
  }

  /// What a layer's attention sees.
  package enum LayerKind: String, CaseIterable, Sendable {
    /// Every earlier position.
    case full = "full_attention"
    /// The last `slidingWindow` positions, the token's own included.
    case sliding = "sliding_attention"
  }

  /// The rotary position embedding of one kind of layer: frequency i is 1 / theta^(2i / H) / linearScale.
  package struct RotaryEmbedding: Equatable, Sendable {
    /// Base of the frequencies.
    package var theta: Double
    /// Divisor of every frequency; 1 changes nothing.
    package var linearScale: Double

    /// A rotary embedding with base `theta`.
    package init(theta: Double, linearScale: Double = 1) {
      self.theta = theta
      self.linearScale = linearScale
    }
  }

  /// The generation of the architecture.
  package var family: Family
  /// Rows of the embedding (V).
  package var vocabSize: Int
  /// Width of the residual stream (D).
  package var hiddenSize: Int
  /// Width of one side of the MLP (F).
  package var intermediateSize: Int
  /// Number of layers.
  package var numHiddenLayers: Int
  /// Query heads (N).
  package var numAttentionHeads: Int
  /// Key/value heads (K); divides `numAttentionHeads`.
  package var numKeyValueHeads: Int
  /// Width of a head (H), even. It need not be hiddenSize / numAttentionHeads.
  package var headDim: Int
  /// Added to the mean square in every norm.
  package var rmsNormEps: Float
  /// Attention scores are scaled by this to the power -1/2; `headDim` in Gemma 1.
  package var queryPreAttnScalar: Double
  /// Cap c of attention scores, c · tanh(x / c), before the mask; nil is none.
  package var attnLogitSoftcapping: Float?
  /// Cap of the logits; nil is none.
  package var finalLogitSoftcapping: Float?
  /// Keys that a sliding layer sees, the token's own included; nil only when no layer slides.
  package var slidingWindow: Int?
  /// Kind of each layer, first to last.
  package var layerKinds: [LayerKind]
  /// Positions that the model was trained for.
  package var maxPositionEmbeddings: Int
  /// Rotary embedding of full layers.
  package var fullRotary: RotaryEmbedding
  /// Rotary embedding of sliding layers.
  package var slidingRotary: RotaryEmbedding
  /// Standard deviation of randomly initialized weights.
  package var initializerRange: Double
  /// End-of-sequence tokens, which end an answer, beside those that the tokenizer names.
  package var eosTokenIds: [Int]
  /// The token whose embedding transformers does not train where it stands in the input; nil is none.
  package var padTokenId: Int?
}

extension ModelConfiguration {
  /// The rotary embedding of layers of `kind`.
  package func rotary(of kind: LayerKind) -> RotaryEmbedding {
    switch kind {
    case .full: fullRotary
    case .sliding: slidingRotary
    }
  }

  /// Factor of attention scores.
  package var attentionScale: Double { 1 / queryPreAttnScalar.squareRoot() }

  /// Number of all parameters, the tied embedding counted once.
  package func parameterCount() -> Int { WeightNames.all(in: self).reduce(0) { $0 + $1.count } }
}
