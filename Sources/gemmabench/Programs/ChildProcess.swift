import Files
import FoundationEssentials
import Glibc

/// What a program came to: each measurement runs in a process of its own, so that no peak of memory includes another's.
package struct ChildResult: Sendable {
  /// What it wrote to standard output.
  package var output: [UInt8]
  /// From just before its start to its end.
  package var seconds: Double
  /// The most that was ever resident, in bytes, as the system tells at its end.
  ///
  /// On Linux this includes the starter's own peak at the time of the start: the starter must stay small.
  package var peakBytes: Double
  /// Seconds since 1970 just before its start.
  package var startedAt: Double
}

/// Runs a program to its end.
/// - Parameters:
///   - arguments: the program (a path, or a name that PATH finds) and its arguments.
///   - scratch: a folder for what it writes to its standard streams.
///   - limit: seconds after which it is ended; nil for no limit.
/// - Throws: `Fault` .unavailable when it cannot be started, .failure with its last words when it fails or is ended.
package func runChild(_ arguments: [String], scratch: String, limit: Double? = nil) throws -> ChildResult {
  let (outputFile, errorFile) = ("\(scratch)/stdout", "\(scratch)/stderr")
  let startedAt = Date().timeIntervalSince1970
  let start = ContinuousClock.now
  let child = try spawn(arguments, output: outputFile, errors: errorFile)
  var status: Int32 = 0
  var usage = rusage()
  while true {
    let ended = wait4(child, &status, limit == nil ? 0 : WNOHANG, &usage)
    if ended == child { break }
    guard ended == 0 || errno == EINTR else { throw Fault(.failure, "\(arguments[0]): \(systemText(errno))") }
    if let limit, start.duration(to: .now) / .seconds(1) > limit {
      kill(child, SIGKILL)
      while wait4(child, &status, 0, &usage) < 0 && errno == EINTR {}
      throw Fault(.failure, "\(command(arguments)): not done in \(shown(limit)) s")
    }
    if ended == 0 { usleep(10_000) }
  }
  let seconds = start.duration(to: .now) / .seconds(1)
  let (signal, exitStatus) = (status & 0x7F, (status >> 8) & 0xFF)
  guard signal == 0, exitStatus == 0 else {
    let words = (try? readFile(errorFile, limit: 1 << 24)).map(lastWords) ?? ""
    let end = signal == 0 ? "status \(exitStatus)" : "signal \(signal)"
    throw Fault(.failure, "\(command(arguments)): ended with \(end)\(words.isEmpty ? "" : ": \(words)")")
  }
  return ChildResult(
    output: try readFile(outputFile, limit: 1 << 28), seconds: seconds,
    peakBytes: Double(usage.ru_maxrss) * 1024, startedAt: startedAt)
}

/// A command as messages name it.
private func command(_ arguments: [String]) -> String { arguments.prefix(3).joined(separator: " ") }

private func spawn(_ arguments: [String], output: String, errors: String) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  // The starter ignores SIGINT so that it can tidy up; its children must end by it.
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var signals = sigset_t()
  sigemptyset(&signals)
  sigaddset(&signals, SIGINT)
  posix_spawnattr_setsigdefault(&attributes, &signals)
  posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))

  var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
  pointers.append(nil)
  defer { pointers.forEach { free($0) } }
  var child: pid_t = 0
  let code = posix_spawnp(&child, arguments[0], &actions, &attributes, pointers, environ)
  guard code == 0 else {
    throw Fault(.unavailable, "\(arguments[0]): cannot be started: \(systemText(code))")
  }
  return child
}

/// What a process that fails says last: its error, after which a hint may come, or else its last line that is not empty.
package func lastWords(_ bytes: [UInt8]) -> String {
  let mark = "error: "
  let texts = lines(of: bytes).map { String(decoding: $0.bytes, as: UTF8.self) }
  if let error = texts.last(where: { $0.hasPrefix(mark) }) { return String(error.dropFirst(mark.count)) }
  return texts.last { !$0.isEmpty } ?? ""
}

private func systemText(_ code: Int32) -> String { String(cString: strerror(code)) }
