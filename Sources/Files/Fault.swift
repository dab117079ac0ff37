/// A fault that the user can act on: in a file, a flag, the environment, or the machine.
///
/// `description` is one line, `FILE:PLACE: what, got what; expected what`. The executable prints it after
/// `error: ` and exits with the status of `kind`.
package struct Fault: Error, Equatable, Sendable, CustomStringConvertible {
  /// The class of a fault, which the exit status tells apart (sysexits.h).
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
  /// One line: place, what is wrong, what was expected. Control characters, from file content for instance,
  /// are escaped.
  package let message: String
  /// What to do about it, when the message does not make that plain.
  package let hint: String?

  /// A fault whose whole line is `message`.
  package init(_ kind: Kind, _ message: String, hint: String? = nil) {
    self.kind = kind
    self.message = withoutControls(message)
    self.hint = hint
  }

  /// A fault in `file`, at a line and possibly a column, both from 1: `file:line:column: message`.
  package init(
    _ kind: Kind, file: String, line: Int, column: Int? = nil, _ message: String, hint: String? = nil
  ) {
    let place = column.map { "\(line):\($0)" } ?? "\(line)"
    self.init(kind, "\(file):\(place): \(message)", hint: hint)
  }

  /// A fault in `file`, at something that has a name, such as a key or a tensor: `file: place: message`.
  package init(_ kind: Kind, file: String, place: String? = nil, _ message: String, hint: String? = nil) {
    self.init(kind, ([file] + (place.map { [$0] } ?? []) + [message]).joined(separator: ": "), hint: hint)
  }

  package var description: String { message }
}

extension Fault.Kind {
  /// Exit status of a process that ends with this fault.  Source: sysexits.h.
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
