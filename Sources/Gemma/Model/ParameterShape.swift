import Tensors

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
