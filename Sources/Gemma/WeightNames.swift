import Tensors

/// One of the seven linear maps of a layer; raw values are Hugging Face's module names.
package enum LinearModule: String, CaseIterable, Sendable {
  case query = "q_proj"
  case key = "k_proj"
  case value = "v_proj"
  case output = "o_proj"
  case gate = "gate_proj"
  case up = "up_proj"
  case down = "down_proj"

  /// Path inside the layer.
  var path: String {
    switch self {
    case .query, .key, .value, .output: "self_attn.\(rawValue)"
    case .gate, .up, .down: "mlp.\(rawValue)"
    }
  }

  /// [out, in] of the weight in a model of this configuration.
  package func shape(in configuration: ModelConfiguration) -> Shape {
    let hidden = configuration.hiddenSize
    let queryWidth = configuration.numAttentionHeads * configuration.headDim
    let keyValueWidth = configuration.numKeyValueHeads * configuration.headDim
    return switch self {
    case .query: [queryWidth, hidden]
    case .key, .value: [keyValueWidth, hidden]
    case .output: [hidden, queryWidth]
    case .gate, .up: [configuration.intermediateSize, hidden]
    case .down: [hidden, configuration.intermediateSize]
    }
  }
}

/// One of the norms of a layer; raw values are paths inside the layer.
package enum LayerNorm: String, CaseIterable, Sendable {
  case input = "input_layernorm"
  /// After attention; in Gemma 1 it stands before the MLP.
  case postAttention = "post_attention_layernorm"
  /// Gemma 2 and 3.
  case preFeedforward = "pre_feedforward_layernorm"
  /// Gemma 2 and 3.
  case postFeedforward = "post_feedforward_layernorm"
  /// Gemma 3.
  case query = "self_attn.q_norm"
  /// Gemma 3.
  case key = "self_attn.k_norm"

  /// Those that a layer of this configuration has.
  package static func all(in configuration: ModelConfiguration) -> [LayerNorm] {
    allCases.filter {
      switch $0 {
      case .input, .postAttention: true
      case .preFeedforward, .postFeedforward: configuration.hasPostNorms
      case .query, .key: configuration.hasQueryKeyNorm
      }
    }
  }

  /// [D], or [H] for those of queries and keys.
  package func shape(in configuration: ModelConfiguration) -> Shape {
    self == .query || self == .key ? [configuration.headDim] : [configuration.hiddenSize]
  }
}

/// Names of tensors in Hugging Face's checkpoints and PEFT's adapters: the only place that spells them.
package enum WeightNames {
  /// The embedding [V, D], which is the output map too.
  package static let embedding = "model.embed_tokens.weight"
  /// The norm [D] before the output map.
  package static let finalNorm = "model.norm.weight"
  /// A second copy of the embedding that some files hold; never written.
  package static let outputMap = "lm_head.weight"

  /// The weight of a linear map, [out, in].
  package static func linear(_ module: LinearModule, layer: Int) -> String {
    "model.layers.\(layer).\(module.path).weight"
  }

  /// The weight of a norm in a layer.
  package static func norm(_ norm: LayerNorm, layer: Int) -> String {
    "model.layers.\(layer).\(norm.rawValue).weight"
  }

  /// A [R, in] of the adapter of a linear map.
  package static func adapterA(_ module: LinearModule, layer: Int) -> String {
    "base_model.model.model.layers.\(layer).\(module.path)\(adapterASuffix)"
  }

  /// B [out, R] of the adapter of a linear map.
  package static func adapterB(_ module: LinearModule, layer: Int) -> String {
    "base_model.model.model.layers.\(layer).\(module.path).lora_B.weight"
  }

  private static let adapterASuffix = ".lora_A.weight"

  /// Whether the name is that of an adapter's A.
  package static func isAdapterA(_ name: String) -> Bool { name.hasSuffix(adapterASuffix) }

  /// Whether the name is that of an embedding, whose optimizer states stay in 32 bits.
  package static func isEmbedding(_ name: String) -> Bool { name == embedding }

  /// Whether the name is that of a norm, which weight decay leaves alone.
  package static func isNorm(_ name: String) -> Bool { name.hasSuffix("norm.weight") }

  /// Whether the name is that of a linear map's weight or of an adapter's matrix: each is a factor of one product in a
  /// forward pass, so that its gradient is one product too.
  package static func isMatrixFactor(_ name: String) -> Bool { !isEmbedding(name) && !isNorm(name) }

  /// Name and shape of every tensor that a model of this configuration has, in a fixed order: the embedding, layer
  /// after layer its linear maps and norms, the final norm.
  package static func all(in configuration: ModelConfiguration) -> [(name: String, shape: Shape)] {
    var all: [(name: String, shape: Shape)] = [
      (embedding, [configuration.vocabSize, configuration.hiddenSize])
    ]
    for layer in 0..<configuration.numHiddenLayers {
      all += LinearModule.allCases.map { (linear($0, layer: layer), $0.shape(in: configuration)) }
      all += LayerNorm.all(in: configuration).map { (norm($0, layer: layer), $0.shape(in: configuration)) }
    }
    return all + [(finalNorm, [configuration.hiddenSize])]
  }

  /// Name and shape of every tensor of an adapter of the given rank, layer after layer, A before B.
  package static func adapter(
    in configuration: ModelConfiguration, rank: Int, targets: [LinearModule]
  ) -> [(name: String, shape: Shape)] {
    (0..<configuration.numHiddenLayers).flatMap { layer in
      targets.flatMap { module in
        let shape = module.shape(in: configuration)
        return [
          (adapterA(module, layer: layer), [rank, shape[1]]),
          (adapterB(module, layer: layer), [shape[0], rank]),
        ]
      }
    }
  }
}
