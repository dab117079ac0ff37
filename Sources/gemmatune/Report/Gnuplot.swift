import Files
import Foundation

/// Draws pictures with gnuplot, a program of its own: without it a report has no pictures.
package struct Gnuplot: Sendable {
  /// Where programs are looked for: folders between colons.
  package var searchPath: String

  /// gnuplot as found in the folders of `searchPath`.
  package init(searchPath: String) {
    self.searchPath = searchPath
  }

  /// What came of drawing.
  package enum Outcome: Equatable, Sendable {
    /// PNG and SVG.
    case drawn(png: [UInt8], svg: [UInt8])
    /// gnuplot is not there.
    case missing
    /// gnuplot is there and said this.
    case failed(String)
  }

  /// Draws a picture in `folder`, which is made for it and removed again.
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

  /// Runs the script; nil when all went well, else the first line that tells why not.
  private func complaint(of program: String, _ script: String, in folder: String) -> String? {
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(fileURLWithPath: program)
    // A user's own start-up file must not change the pictures.
    process.arguments = ["--default-settings", script]
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    do { try process.run() } catch { return "it cannot be started" }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    if process.terminationReason == .exit && process.terminationStatus == 0 { return nil }
    let line = text.split(separator: "\n").first { $0.contains { $0.isLetter } }
    return line.map { String($0.prefix(200)) } ?? "it ended with status \(process.terminationStatus)"
  }
}
