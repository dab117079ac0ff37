import Files

/// Every problem found in a configuration, in the order of its files and lines.
package struct ConfigurationFaults: Error, Equatable, Sendable, CustomStringConvertible {
  /// At least one fault. Each is a line of its own.
  package let faults: [Fault]

  /// The problems `faults` as one error.
  package init(_ faults: [Fault]) {
    self.faults = faults
  }

  package var description: String { faults.map(\.message).joined(separator: "\n") }
}
