import Files
import Gemma

/// What to do with an adapter over a base model that it was not trained on.
package enum OtherBase: Sendable {
  /// Refuse it with an error.
  case refused
  /// Report it and go on.
  case allowed
}
