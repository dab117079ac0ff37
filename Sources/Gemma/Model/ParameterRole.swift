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
