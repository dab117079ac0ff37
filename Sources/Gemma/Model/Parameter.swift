import Tensors

/// What a parameter is in the model. The role decides how it is trained, the name only where it is stored.
package enum ParameterRole: Hashable, Sendable {
  /// The embedding, which is the output map too. Its optimizer states stay in 32 bits.
  case embedding
  /// The weight of a norm. Weight decay leaves it alone.
  case norm
  /// The weight of a linear map.
  case matrix(LinearModule)
  /// A of the adapter of a linear map. Its gradient is zero as long as B is zero.
  case adapterA(LinearModule)
  /// B of the adapter of a linear map.
  case adapterB(LinearModule)

  /// Whether the parameter is a factor of exactly one matrix product of a forward pass. Then its gradient is
  /// one product too, which can replace what the gradient held before.
  package var isMatrixFactor: Bool {
    switch self {
    case .embedding, .norm: false
    case .matrix, .adapterA, .adapterB: true
    }
  }
}

/// A parameter that a configuration demands, before there are weights.
package struct ParameterShape: Equatable, Sendable {
  /// The name in a checkpoint or an adapter's file.
  package var name: String
  /// What it is in the model.
  package var role: ParameterRole
  /// The shape of its tensor.
  package var shape: Shape

  /// A parameter of this name, role and shape.
  package init(_ name: String, _ role: ParameterRole, _ shape: Shape) {
    self.name = name
    self.role = role
    self.shape = shape
  }

  /// Number of elements.
  package var count: Int { shape.reduce(1, *) }
}

/// A parameter of a model, with its weights.
package struct Parameter {
  /// The name in a checkpoint or an adapter's file.
  package var name: String
  /// What it is in the model.
  package var role: ParameterRole
  /// The weights. Copies share their storage.
  package var tensor: Tensor

  /// A parameter of this name and role.
  package init(_ name: String, _ role: ParameterRole, _ tensor: Tensor) {
    self.name = name
    self.role = role
    self.tensor = tensor
  }
}
