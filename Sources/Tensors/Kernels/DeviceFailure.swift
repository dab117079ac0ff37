import Files

/// A failure of a device: its kind, which says what can be done, and its message.
package struct DeviceFailure: Error, Equatable, Sendable {
  /// What can be done about a failure.
  package enum Kind: Sendable {
    /// Device memory does not suffice. A smaller request may succeed.
    case outOfMemory
    /// Nothing can be computed any more on this device in this process.
    case deviceLost
    /// A fault in a call.
    case other
  }

  /// The kind of this failure.
  package let kind: Kind
  /// The message for the user.
  package let fault: Fault

  /// A failure of this kind, with this message.
  package init(_ kind: Kind, _ fault: Fault) {
    self.kind = kind
    self.fault = fault
  }
}
