import Tensors

/// Names of tensors in Hugging Face's checkpoints and PEFT's adapters. No other file spells them.
package enum WeightNames {
  /// The embedding [V, D], which is the output map too.
  package static let embedding = "model.embed_tokens.weight"
  /// The norm [D] before the output map.
  package static let finalNorm = "model.norm.weight"
  /// A second copy of the embedding that some files hold. It is never written.
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
    "base_model.model.model.layers.\(layer).\(module.path).lora_A.weight"
  }

  /// B [out, R] of the adapter of a linear map.
  package static func adapterB(_ module: LinearModule, layer: Int) -> String {
    "base_model.model.model.layers.\(layer).\(module.path).lora_B.weight"
  }

  /// Every parameter of a model of this configuration, in a fixed order: the embedding, the linear maps and
  /// norms of layer after layer, the final norm.
  package static func all(in configuration: ModelConfiguration) -> [ParameterShape] {
    var all = [ParameterShape(embedding, .embedding, [configuration.vocabSize, configuration.hiddenSize])]
    for layer in 0..<configuration.numHiddenLayers {
      all += LinearModule.allCases.map {
        ParameterShape(linear($0, layer: layer), .matrix($0), $0.shape(in: configuration))
      }
      all += LayerNorm.all(in: configuration).map {
        ParameterShape(norm($0, layer: layer), .norm, $0.shape(in: configuration))
      }
    }
    return all + [ParameterShape(finalNorm, .norm, [configuration.hiddenSize])]
  }

  /// Every parameter of an adapter of the given rank, layer after layer, A before B.
  package static func adapter(
    in configuration: ModelConfiguration, rank: Int, targets: [LinearModule]
  ) -> [ParameterShape] {
    (0..<configuration.numHiddenLayers).flatMap { layer in
      targets.flatMap { module in
        let shape = module.shape(in: configuration)
        return [
          ParameterShape(adapterA(module, layer: layer), .adapterA(module), [rank, shape[1]]),
          ParameterShape(adapterB(module, layer: layer), .adapterB(module), [shape[0], rank]),
        ]
      }
    }
  }
}
