import Files
import Foundation
import Tensors

extension GemmaModel {
  /// Opens a model folder in Hugging Face's layout.
  ///
  /// Weights that have the wanted dtype stay in the mapped file; others are converted.
  /// - Throws: `Fault` naming the file and the key or tensor.
  package init(contentsOf folder: String, precision: DType) throws {
    try self.init(
      contentsOf: folder, ModelConfiguration(contentsOf: "\(folder)/config.json"), precision: precision)
  }

  /// The same with a configuration that has been read.
  /// - Throws: `Fault`.
  package init(contentsOf folder: String, _ configuration: ModelConfiguration, precision: DType) throws {
    let weights = try ModelWeights(contentsOf: folder, for: configuration)
    try self.init(configuration) { name, _ in Self.converted(try weights.tensor(named: name), to: precision) }
  }

  /// A model as it is before any training: norms 0 (they multiply by 1 + w), all else normal with
  /// `initializer_range`. Source: transformers modeling_gemma.py, GemmaPreTrainedModel._init_weights.
  package init(random configuration: ModelConfiguration, precision: DType, key: RandomKey) {
    var part: UInt64 = 0
    self.init(configuration) { _, shape in
      part += 1
      let values = shape.count == 1 ? Tensor(zeros: shape, .float32) : key.derived(part).normal(shape)
      if shape.count > 1 { values.scale(by: Float(configuration.initializerRange)) }
      return Self.converted(values, to: precision)
    }
  }

  /// A model whose weights come from `weight`, asked for each by name with the shape that the configuration demands.
  private init(
    _ configuration: ModelConfiguration, weight: (_ name: String, _ shape: Shape) throws -> Tensor
  ) rethrows {
    let (hidden, family) = (configuration.hiddenSize, configuration.family)
    self.configuration = configuration
    embedding = try weight(WeightNames.embedding, [configuration.vocabSize, hidden])
    layers = try (0..<configuration.numHiddenLayers).map { index in
      func linear(_ module: LinearModule) throws -> Linear {
        Linear(weight: try weight(WeightNames.linear(layer: index, module), module.shape(configuration)))
      }
      func norm(_ norm: WeightNames.Norm, _ width: Int) throws -> Tensor {
        try weight(WeightNames.norm(layer: index, norm, family), [width])
      }
      let hasHeadNorms = configuration.hasQueryKeyNorm
      let attention = Attention(
        qProj: try linear(.qProj), kProj: try linear(.kProj), vProj: try linear(.vProj),
        oProj: try linear(.oProj), qNorm: hasHeadNorms ? try norm(.query, configuration.headDim) : nil,
        kNorm: hasHeadNorms ? try norm(.key, configuration.headDim) : nil, kind: configuration.layerKinds[index])
      return Layer(
        inputNorm: try norm(.input, hidden), attention: attention,
        postAttentionNorm: configuration.hasPostNorms ? try norm(.postAttention, hidden) : nil,
        preFeedforwardNorm: try norm(.preFeedforward, hidden),
        mlp: MLP(
          gateProj: try linear(.gateProj), upProj: try linear(.upProj), downProj: try linear(.downProj)),
        postFeedforwardNorm: configuration.hasPostNorms ? try norm(.postFeedforward, hidden) : nil)
    }
    finalNorm = try weight(WeightNames.finalNorm, [hidden])
  }

  private static func converted(_ weight: Tensor, to dtype: DType) -> Tensor {
    weight.dtype == dtype ? weight : CPUKernels(threads: 1).converted(weight, to: dtype, scale: 1)
  }
}

extension RandomKey {
  /// Standard normal numbers, float32, by Box and Muller's transform of pairs of this key's uniform ones.
  func normal(_ shape: Shape) -> Tensor {
    let tensor = Tensor(uninitialized: shape, .float32)
    for pair in 0..<(tensor.count + 1) / 2 {
      let radius = sqrt(-2 * log(1 - Double(uniform(at: UInt64(2 * pair)))))
      let angle = 2 * Double.pi * Double(uniform(at: UInt64(2 * pair + 1)))
      tensor.float32[2 * pair] = Float(radius * cos(angle))
      if 2 * pair + 1 < tensor.count { tensor.float32[2 * pair + 1] = Float(radius * sin(angle)) }
    }
    return tensor
  }
}

extension Tensor {
  fileprivate func scale(by factor: Float) {
    for index in 0..<count { float32[index] *= factor }
  }
}
