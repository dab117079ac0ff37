import Files
import Glibc
import Tensors

extension GemmaModel {
  /// Opens a model folder in Hugging Face's layout.
  /// - Throws: `Fault` naming the file and the key or tensor.
  package init(contentsOf folder: String, precision: DType) throws {
    let configuration = try ModelConfiguration(contentsOf: "\(folder)/config.json")
    try self.init(
      ModelWeights(contentsOf: folder, for: configuration), configuration, precision: precision)
  }

  /// Reads the weights of an opened folder.
  ///
  /// Weights of the wanted dtype stay in the mapped file. Others are converted.
  /// - Throws: `Fault` naming the file and the tensor.
  package init(_ weights: ModelWeights, _ configuration: ModelConfiguration, precision: DType) throws {
    try weights.checkContents()
    try self.init(configuration) { name, _ in try weights.tensor(named: name).converted(to: precision) }
  }

  /// A model before any training: norms are 0 (they multiply by 1 + w), all other weights normal with
  /// standard deviation `initializer_range`.
  /// Source: transformers modeling_gemma.py, GemmaPreTrainedModel._init_weights.
  package init(random configuration: ModelConfiguration, precision: DType, key: RandomKey) {
    var part: UInt64 = 0
    self.init(configuration) { _, shape in
      part += 1
      let values = shape.count == 1 ? Tensor(zeros: shape, .float32) : key.derived(part).normal(shape)
      if shape.count > 1 { values.scale(by: Float(configuration.initializerRange)) }
      return values.converted(to: precision)
    }
  }

  /// A model whose weights `weight` returns, by name and with the shape that the configuration demands.
  package init(
    _ configuration: ModelConfiguration, weight: (_ name: String, _ shape: Shape) throws -> Tensor
  ) rethrows {
    self.configuration = configuration
    embedding = try weight(WeightNames.embedding, [configuration.vocabSize, configuration.hiddenSize])
    layers = try (0..<configuration.numHiddenLayers).map { index in
      try Layer(configuration, index, weight: weight)
    }
    finalNorm = try weight(WeightNames.finalNorm, [configuration.hiddenSize])
  }
}

extension Layer {
  fileprivate init(
    _ configuration: ModelConfiguration, _ index: Int,
    weight: (_ name: String, _ shape: Shape) throws -> Tensor
  ) rethrows {
    func linear(_ module: LinearModule) throws -> Linear {
      Linear(weight: try weight(WeightNames.linear(module, layer: index), module.shape(in: configuration)))
    }
    func norm(_ norm: LayerNorm) throws -> Tensor {
      try weight(WeightNames.norm(norm, layer: index), norm.shape(in: configuration))
    }
    let places = LayerNormPlaces(configuration.family)
    // This order decides which random numbers each weight gets.
    attention = Attention(
      qProj: try linear(.query), kProj: try linear(.key), vProj: try linear(.value),
      oProj: try linear(.output), qNorm: try places.queries.map(norm), kNorm: try places.keys.map(norm),
      kind: configuration.layerKinds[index])
    mlp = MLP(gateProj: try linear(.gate), upProj: try linear(.up), downProj: try linear(.down))
    inputNorm = try norm(places.beforeAttention)
    postAttentionNorm = try places.afterAttention.map(norm)
    preFeedforwardNorm = try norm(places.beforeMLP)
    postFeedforwardNorm = try places.afterMLP.map(norm)
  }
}

extension RandomKey {
  /// Standard normal numbers, float32: the Box-Muller transform of pairs of uniform numbers of this key.
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
