import Files

/// Limits on what a configuration may hold. A real one needs a hundredth of them.
package enum YAMLLimits {
  package static let bytes = 1 << 20
  package static let depth = 32
  package static let nodes = 10_000
  package static let scalarBytes = 64 << 10
}
