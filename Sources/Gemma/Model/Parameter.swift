import Tensors

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
