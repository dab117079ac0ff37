import Files
import FineTuning
import Glibc

/// Where messages for a person go: results to standard output, everything else to standard error.
enum Console {
  /// Opens something that cannot be written in place of each closed standard stream. Otherwise the first
  /// files that the process opens would take these streams' numbers, and messages would go into those files.
  static func holdStandardStreams() {
    // Each open takes the lowest free number.
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) == -1 {
      _ = open("/dev/null", O_RDONLY)
    }
  }

  /// Writes a result to standard output.
  /// - Throws: `Fault` .cannotWrite: a lost result is a failure.
  static func result(_ text: String) throws {
    try writeText(text + "\n", to: STDOUT_FILENO, path: "standard output")
  }

  /// Writes a line about the work under way to standard error. A closed standard error stops nothing.
  static func note(_ line: String) {
    try? writeText(line + "\n", to: STDERR_FILENO, path: "standard error")
  }

  /// Writes an error, and what to do about it.
  static func show(_ fault: Fault) {
    note("\(styled("error:", "1;31")) \(fault.message)")
    if let hint = fault.hint { note("\(styled("hint:", "1;36")) \(hint)") }
  }

  /// Shows what a run reports on standard error. `quiet` leaves out everything that is not essential.
  static func listener(quiet: Bool) -> Listener {
    Listener(
      note: { if !quiet { note($0) } }, warn: { note($0) },
      begin: { label, total in
        let progress = Progress(label, total: total, quiet: quiet)
        return { done, details, isDue in progress.report(done, details, isDue: isDue) }
      })
  }

  /// Whether standard error is a terminal on which lines can be rewritten.
  static var isTerminal: Bool {
    isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb"
  }

  /// `text` in colour when standard error is a terminal and NO_COLOR is not set.
  private static func styled(_ text: String, _ code: String) -> String {
    isTerminal && (environment("NO_COLOR") ?? "").isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }

  private static func environment(_ name: String) -> String? {
    getenv(name).flatMap { String(validatingCString: $0) }
  }
}
