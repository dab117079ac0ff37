import Files

/// Every problem found in a configuration, in the order of the files and lines they stand in.
package struct ConfigurationFaults: Error, Equatable, Sendable, CustomStringConvertible {
  /// At least one fault, each one line of its own.
  package let faults: [Fault]

  /// The problems `faults` as one error.
  package init(_ faults: [Fault]) {
    self.faults = faults
  }

  package var description: String { faults.map(\.message).joined(separator: "\n") }
}
