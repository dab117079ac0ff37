import Tensors

/// One of the seven linear maps of a layer. Raw values are Hugging Face's module names.
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
