import Tensors

extension GemmaModel {
  /// The parameters that are trained, in a fixed order.
  package func parameters(_ trained: TrainedParameters) -> [Parameter] {
    var parameters: [Parameter] = []
    var visited = self
    visited.update(trained) { parameters.append(Parameter($0, $1, $2)) }
    return parameters
  }

  /// The model for one micro-batch (from 0) of an optimizer step: `tape` watches its trained parameters.
  /// - Parameter gradients: of `parameters(trained)`, prepared by `Gradients.begin` before micro-batch 0.
  package func watched(
    _ trained: TrainedParameters, on tape: Tape, _ gradients: Gradients, microBatch: Int
  ) -> GemmaModel {
    var model = self
    var next = gradients.tensors.makeIterator()
    model.update(trained) { name, role, parameter in
      guard let gradient = next.next() else { preconditionFailure("watched: no gradient for \(name)") }
      let first: Store = microBatch == 0 && role.isMatrixFactor ? .replacing : .adding
      parameter = tape.watch(parameter, gradient: gradient, first: first)
    }
    return model
  }

  /// Copies the weights to where `kernels` compute, so that they can be trained: the mapped file of a
  /// checkpoint cannot be written.
  package mutating func copyWeights(_ kernels: any Kernels) {
    update(.all) { _, _, parameter in
      parameter = kernels.place == parameter.place ? kernels.copied(parameter) : kernels.placed(parameter)
    }
  }

  /// Moves the weights to where `kernels` compute. Weights that are there already stay as they are.
  package mutating func placeWeights(_ kernels: any Kernels) {
    update(.all) { _, _, parameter in parameter = kernels.placed(parameter) }
  }

  /// Calls `body` with the name, role and weights of each trained parameter, in the order of `parameters`.
  mutating func update(
    _ trained: TrainedParameters, _ body: (String, ParameterRole, inout Tensor) throws -> Void
  ) rethrows {
    switch trained {
    case .all: try updateWeights(body)
    case .adapters:
      try updateLinears { layer, module, linear in
        guard var adapter = linear.adapter else { return }
        try body(WeightNames.adapterA(module, layer: layer), .adapterA(module), &adapter.a)
        try body(WeightNames.adapterB(module, layer: layer), .adapterB(module), &adapter.b)
        linear.adapter = adapter
      }
    }
  }

  /// Calls `body` with each weight of the base model under its checkpoint name.
  private mutating func updateWeights(
    _ body: (String, ParameterRole, inout Tensor) throws -> Void
  ) rethrows {
    try body(WeightNames.embedding, .embedding, &embedding)
    for index in layers.indices {
      try layers[index].updateLinears { module, linear in
        try body(WeightNames.linear(module, layer: index), .matrix(module), &linear.weight)
      }
      try layers[index].updateNorms(LayerNormPlaces(configuration.family)) { norm, weight in
        try body(WeightNames.norm(norm, layer: index), .norm, &weight)
      }
    }
    try body(WeightNames.finalNorm, .norm, &finalNorm)
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
    try body(.query, &attention.qProj)
    try body(.key, &attention.kProj)
    try body(.value, &attention.vProj)
    try body(.output, &attention.oProj)
    try body(.gate, &mlp.gateProj)
    try body(.up, &mlp.upProj)
    try body(.down, &mlp.downProj)
  }

  fileprivate mutating func updateNorms(
    _ places: LayerNormPlaces, _ body: (LayerNorm, inout Tensor) throws -> Void
  ) rethrows {
    func visit(_ norm: LayerNorm?, _ weight: inout Tensor?) throws {
      guard let norm, var present = weight else { return }
      try body(norm, &present)
      weight = present
    }
    try body(places.beforeAttention, &inputNorm)
    try visit(places.afterAttention, &postAttentionNorm)
    try body(places.beforeMLP, &preFeedforwardNorm)
    try visit(places.afterMLP, &postFeedforwardNorm)
    try visit(places.queries, &attention.qNorm)
    try visit(places.keys, &attention.kNorm)
  }
}
