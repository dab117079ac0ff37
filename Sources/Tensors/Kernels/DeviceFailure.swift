import Files

/// What has gone wrong on a device: what can be done about it, and the words.
package struct DeviceFailure: Error, Equatable, Sendable {
  /// What can be done about it.
  package enum Kind: Sendable {
    /// Device memory does not suffice; a smaller request may.
    case outOfMemory
    /// Nothing can be computed any more on this device in this process.
    case deviceLost
    /// A fault in a call.
    case other
  }

  /// What can be done about it.
  package let kind: Kind
  /// What a person is told.
  package let fault: Fault

  /// A failure of this kind, in these words.
  package init(_ kind: Kind, _ fault: Fault) {
    self.kind = kind
    self.fault = fault
  }
}
