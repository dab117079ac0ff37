/// Something a person can act on: a fault in a file, flag or environment, or in what the machine offers.
///
/// `description` is one line, `FILE:PLACE: what, got what; expected what`; the executable prints it after
/// `error: ` and ends with the exit status of `kind`.
package struct Fault: Error, Equatable, Sendable, CustomStringConvertible {
  /// What went wrong, in the classes that the exit status tells apart (sysexits.h).
  package enum Kind: Sendable {
    /// Wrong usage of the command line (64).
    case usage
    /// An input file is bad (65).
    case badData
    /// An input file is missing or unreadable (66).
    case missing
    /// The machine lacks something (69).
    case unavailable
    /// Output cannot be created (73).
    case cannotCreate
    /// Output cannot be written (74).
    case cannotWrite
    /// The run directory is in use (75).
    case inUse
    /// The configuration is wrong (78).
    case configuration
    /// Training diverged, or another failure (1).
    case failure
  }

  /// The class of the fault.
  package let kind: Kind
  /// One line: place, what is wrong, what was expected; control characters (from file content, say) are
  /// escaped.
  package let message: String
  /// What to do about it, when that is not plain from the message.
  package let hint: String?

  /// A fault whose whole line is `message`.
  package init(_ kind: Kind, _ message: String, hint: String? = nil) {
    self.kind = kind
    self.message = withoutControls(message)
    self.hint = hint
  }

  /// A fault in `file`, at a 1-based line and perhaps column: `file:line:column: message`.
  package init(
    _ kind: Kind, file: String, line: Int, column: Int? = nil, _ message: String, hint: String? = nil
  ) {
    let place = column.map { "\(line):\($0)" } ?? "\(line)"
    self.init(kind, "\(file):\(place): \(message)", hint: hint)
  }

  /// A fault in `file`, at something in it that has a name (a key, a tensor): `file: place: message`.
  package init(_ kind: Kind, file: String, place: String? = nil, _ message: String, hint: String? = nil) {
    self.init(kind, ([file] + (place.map { [$0] } ?? []) + [message]).joined(separator: ": "), hint: hint)
  }

  package var description: String { message }
}

extension Fault.Kind {
  /// Exit status of a process that ends with such a fault.  Source: sysexits.h.
  package var exitStatus: Int32 {
    switch self {
    case .usage: 64
    case .badData: 65
    case .missing: 66
    case .unavailable: 69
    case .cannotCreate: 73
    case .cannotWrite: 74
    case .inUse: 75
    case .configuration: 78
    case .failure: 1
    }
  }
}
