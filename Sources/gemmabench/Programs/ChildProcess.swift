import Files
import FoundationEssentials
import Glibc

/// The outcome of a program. Each measurement runs in a process of its own, so that no peak of memory
/// includes another's.
package struct ChildResult: Sendable {
  /// Bytes that it wrote to standard output.
  package var output: [UInt8]
  /// Seconds from just before its start to its end.
  package var seconds: Double
  /// Peak resident memory in bytes, which the system reports when it ends.
  ///
  /// On Linux this includes the starter's own peak at the time of the start, so the starter must stay small.
  package var peakBytes: Double
  /// Seconds since 1970 just before its start.
  package var startedAt: Double
}

/// Runs a program to its end.
/// - Parameters:
///   - arguments: the program (a path, or a name that PATH finds) and its arguments.
///   - scratch: a folder for the files of its standard streams.
///   - limit: seconds after which it is killed; nil for no limit.
/// - Throws: `Fault` .unavailable when it cannot be started, .failure with its last words when it fails.
package func runChild(_ arguments: [String], scratch: String, limit: Double? = nil) throws -> ChildResult {
  let (outputFile, errorFile) = ("\(scratch)/stdout", "\(scratch)/stderr")
  let startedAt = Date().timeIntervalSince1970
  let start = ContinuousClock.now
  let child = try startProcess(arguments, output: outputFile, errors: errorFile)
  var status: Int32 = 0
  var usage = rusage()
  while true {
    let ended = wait4(child, &status, limit == nil ? 0 : WNOHANG, &usage)
    if ended == child { break }
    guard ended == 0 || errno == EINTR else { throw Fault(.failure, "\(arguments[0]): \(errorText(errno))") }
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

/// The last words of a process that fails: its error, which a hint may follow, or otherwise its last line
/// that is not empty.
package func lastWords(_ bytes: [UInt8]) -> String {
  let mark = "error: "
  let texts = lines(of: bytes).map { String(decoding: $0.bytes, as: UTF8.self) }
  if let error = texts.last(where: { $0.hasPrefix(mark) }) { return String(error.dropFirst(mark.count)) }
  return texts.last { !$0.isEmpty } ?? ""
}
