import Files
import FoundationEssentials
import Glibc

/// Draws pictures with gnuplot, a separate program. Without it a report has no pictures.
package struct Gnuplot: Sendable {
  /// The folders, separated by colons, in which programs are looked for.
  package var searchPath: String

  /// gnuplot, looked for in the folders of `searchPath`.
  package init(searchPath: String) {
    self.searchPath = searchPath
  }

  /// The outcome of drawing a picture.
  package enum Outcome: Equatable, Sendable {
    /// The picture as PNG and as SVG.
    case drawn(png: [UInt8], svg: [UInt8])
    /// No gnuplot was found.
    case missing
    /// gnuplot failed, with this message.
    case failed(String)
  }

  /// Draws a picture in `folder`, which is made for it and removed afterwards.
  /// - Throws: `Fault` .cannotCreate or .cannotWrite.
  package func draw(_ picture: Picture, in folder: String) throws -> Outcome {
    guard let program else { return .missing }
    try? FileManager.default.removeItem(atPath: folder)
    try makeDirectory(folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let name = picture.kind.rawValue
    try writeAtomically(picture.data, to: "\(folder)/\(name).tsv")
    try writeAtomically(picture.script, to: "\(folder)/\(name).gp")
    if let complaint = complaint(of: program, "\(name).gp", in: folder) { return .failed(complaint) }
    guard let png = try? readFile("\(folder)/\(name).png"), let svg = try? readFile("\(folder)/\(name).svg"),
      !png.isEmpty, !svg.isEmpty
    else { return .failed("it drew nothing") }
    return .drawn(png: png, svg: svg)
  }

  private var program: String? {
    parts(of: searchPath, at: ":").filter { !$0.isEmpty }.map { "\($0)/gnuplot" }.first {
      FileManager.default.isExecutableFile(atPath: $0) && !isDirectory($0)
    }
  }

  /// Runs the script; nil when it succeeds, otherwise the first line that says why not.
  private func complaint(of program: String, _ script: String, in folder: String) -> String? {
    let log = "\(folder)/\(script).log"
    // A process cannot be started in another folder directly. A user's start-up file must have no effect.
    let inFolder = #"cd "$1" && exec "$2" --default-settings "$3""#
    guard let status = status(of: ["/bin/sh", "-c", inFolder, "sh", folder, program, script], log: log) else {
      return "it cannot be started"
    }
    if status == 0 { return nil }
    let text = String(decoding: (try? readFile(log, limit: 1 << 20)) ?? [], as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.contains { $0.isLetter } }
    let end = status & 0x7F == 0 ? "status \(status >> 8)" : "signal \(status & 0x7F)"
    return line.map { String($0.prefix(200)) } ?? "it ended with \(end)"
  }

  /// Runs a program and writes its output to the file `log`.
  /// - Returns: the status that wait gives; nil when the program did not start.
  private func status(of arguments: [String], log: String) -> Int32? {
    guard let child = try? startProcess(arguments, output: log, errors: log) else { return nil }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 {
      guard errno == EINTR else { return nil }
    }
    return status
  }
}
