import Tensors

/// Which parameters an optimizer updates.
package enum TrainedParameters: Sendable {
  /// All of the base model's.
  case all
  /// The adapters' alone; the base model is frozen.
  case adapters
}

extension GemmaModel {
  /// The parameters that are trained: name and storage, in a fixed order.
  package func parameters(_ trained: TrainedParameters) -> [(name: String, tensor: Tensor)] {
    var parameters: [(name: String, tensor: Tensor)] = []
    var visited = self
    visited.update(trained) { parameters.append(($0, $1)) }
    return parameters
  }

  /// The model with its trained parameters watched on `tape`.
  /// - Parameter gradients: one float32 accumulator for each of `parameters(trained)`, in that order.
  package func watched(_ trained: TrainedParameters, on tape: Tape, gradients: [Tensor]) -> GemmaModel {
    var model = self
    var next = gradients.makeIterator()
    model.update(trained) { name, parameter in
      guard let gradient = next.next() else { preconditionFailure("watched: no gradient for \(name)") }
      parameter = tape.watch(parameter, addingTo: gradient)
    }
    return model
  }

  /// Gives the model its own copy of the weights, to be trained: a checkpoint's mapped file cannot be written.
  package mutating func copyWeights() {
    update(.all) { _, parameter in parameter = parameter.copied() }
  }

  /// Calls `body` with each trained parameter, in the order of `parameters`.
  mutating func update(
    _ trained: TrainedParameters, _ body: (String, inout Tensor) throws -> Void
  ) rethrows {
    switch trained {
    case .all: try updateWeights(body)
    case .adapters:
      try updateLinears { layer, module, linear in
        guard var adapter = linear.adapter else { return }
        try body(WeightNames.adapterA(layer: layer, module), &adapter.a)
        try body(WeightNames.adapterB(layer: layer, module), &adapter.b)
        linear.adapter = adapter
      }
    }
  }

  /// Calls `body` with each weight of the base model under its checkpoint name.
  private mutating func updateWeights(_ body: (String, inout Tensor) throws -> Void) rethrows {
    try body(WeightNames.embedding, &embedding)
    for index in layers.indices {
      try layers[index].updateNorms(index, configuration.family, body)
      try layers[index].updateLinears { module, linear in
        try body(WeightNames.linear(layer: index, module), &linear.weight)
      }
    }
    try body(WeightNames.finalNorm, &finalNorm)
  }

  /// Calls `body` with each linear map of each layer.
  mutating func updateLinears(
    _ body: (_ layer: Int, _ module: LinearModule, _ linear: inout Linear) throws -> Void
  ) rethrows {
    for index in layers.indices {
      try layers[index].updateLinears { try body(index, $0, &$1) }
    }
  }
}

extension Layer {
  fileprivate mutating func updateLinears(_ body: (LinearModule, inout Linear) throws -> Void) rethrows {
    try body(.qProj, &attention.qProj)
    try body(.kProj, &attention.kProj)
    try body(.vProj, &attention.vProj)
    try body(.oProj, &attention.oProj)
    try body(.gateProj, &mlp.gateProj)
    try body(.upProj, &mlp.upProj)
    try body(.downProj, &mlp.downProj)
  }

  fileprivate mutating func updateNorms(
    _ index: Int, _ family: ModelConfiguration.Family, _ body: (String, inout Tensor) throws -> Void
  ) rethrows {
    func visit(_ norm: WeightNames.Norm, _ weight: inout Tensor?) throws {
      guard var present = weight else { return }
      try body(WeightNames.norm(layer: index, norm, family), &present)
      weight = present
    }
    try body(WeightNames.norm(layer: index, .input, family), &inputNorm)
    try visit(.postAttention, &postAttentionNorm)
    try body(WeightNames.norm(layer: index, .preFeedforward, family), &preFeedforwardNorm)
    try visit(.postFeedforward, &postFeedforwardNorm)
    try visit(.query, &attention.qNorm)
    try visit(.key, &attention.kNorm)
  }
}
