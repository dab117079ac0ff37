import Tensors

/// Names of tensors in Hugging Face's and PEFT's files: the only place that spells them.
package enum WeightNames {
  /// The embedding, tied to the output map.
  package static let embedding = "model.embed_tokens.weight"
  /// The norm after the last layer.
  package static let finalNorm = "model.norm.weight"
  /// The output map: absent, or equal to the embedding.
  package static let languageModelHead = "lm_head.weight"

  /// A norm of a layer, by what it does.
  package enum Norm: Sendable { case input, postAttention, preFeedforward, postFeedforward, query, key }

  /// A linear map of a layer.
  package static func linear(layer: Int, _ module: LinearModule) -> String {
    "model.layers.\(layer).\(module.path).weight"
  }

  /// A norm of a layer. Gemma 1's norm before the MLP bears the name of the norm after attention.
  package static func norm(layer: Int, _ norm: Norm, _ family: ModelConfiguration.Family) -> String {
    let name =
      switch norm {
      case .input: "input_layernorm"
      case .postAttention: "post_attention_layernorm"
      case .preFeedforward: family == .gemma ? "post_attention_layernorm" : "pre_feedforward_layernorm"
      case .postFeedforward: "post_feedforward_layernorm"
      case .query: "self_attn.q_norm"
      case .key: "self_attn.k_norm"
      }
    return "model.layers.\(layer).\(name).weight"
  }

  /// PEFT's name of an adapter's A.
  package static func adapterA(layer: Int, _ module: LinearModule) -> String {
    adapterPrefix + "model.layers.\(layer).\(module.path)" + adapterASuffix
  }

  /// PEFT's name of an adapter's B.
  package static func adapterB(layer: Int, _ module: LinearModule) -> String {
    adapterPrefix + "model.layers.\(layer).\(module.path).lora_B.weight"
  }

  /// Whether a parameter is an adapter's A, whose gradient is zero as long as B is.
  package static func isAdapterA(_ name: String) -> Bool { name.hasSuffix(adapterASuffix) }

  /// Whether a parameter is a norm's weight, which weight decay leaves alone.
  package static func isNorm(_ name: String) -> Bool { name.hasSuffix("norm.weight") }

  private static let adapterPrefix = "base_model.model."
  private static let adapterASuffix = ".lora_A.weight"
}

/// The linear maps of a layer; raw values are the names that LoRA's targets go by.
package enum LinearModule: String, CaseIterable, Sendable {
  case qProj = "q_proj"
  case kProj = "k_proj"
  case vProj = "v_proj"
  case oProj = "o_proj"
  case gateProj = "gate_proj"
  case upProj = "up_proj"
  case downProj = "down_proj"

  /// Where the map stands in its layer: `self_attn.q_proj`.
  package var path: String {
    switch self {
    case .qProj, .kProj, .vProj, .oProj: "self_attn.\(rawValue)"
    case .gateProj, .upProj, .downProj: "mlp.\(rawValue)"
    }
  }

  /// [out, in] of the weight.
  package func shape(_ configuration: ModelConfiguration) -> Shape {
    let hidden = configuration.hiddenSize
    let queryWidth = configuration.numAttentionHeads * configuration.headDim
    let keyValueWidth = configuration.numKeyValueHeads * configuration.headDim
    return switch self {
    case .qProj: [queryWidth, hidden]
    case .kProj, .vProj: [keyValueWidth, hidden]
    case .oProj: [hidden, queryWidth]
    case .gateProj, .upProj: [configuration.intermediateSize, hidden]
    case .downProj: [hidden, configuration.intermediateSize]
    }
  }
}
