import Tensors

/// Which parameters an optimizer updates.
package enum TrainedParameters: Sendable {
  /// All of the base model's.
  case all
  /// The adapters' alone; the base model is frozen.
  case adapters
}
