import Glibc

/// A text file that grows by whole lines. Each line reaches the system in one write, so a reader, or the next
/// run after a crash, sees whole lines, except perhaps for the last.
package final class LineFile {
  /// Where the file is.
  package let path: String
  private let descriptor: Int32

  /// Creates an empty file.
  /// - Throws: `Fault` .cannotCreate, also when something of that name exists.
  package init(creating path: String) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw Fault(.cannotCreate, file: path, "cannot be created: \(errorText(errno))")
    }
  }

  deinit { close(descriptor) }

  /// Appends `line` and a line feed.
  /// - Throws: `Fault` .cannotWrite.
  package func append(_ line: String) throws {
    try writeWhole(Array((line + "\n").utf8), to: descriptor, path: path)
  }
}

/// Writes the whole text to an open descriptor, such as standard output.
/// - Throws: `Fault` .cannotWrite naming `path`.
package func writeText(_ text: String, to descriptor: Int32, path: String) throws {
  try writeWhole(Array(text.utf8), to: descriptor, path: path)
}

private func writeWhole(_ bytes: [UInt8], to descriptor: Int32, path: String) throws {
  try bytes.withUnsafeBytes { try writeAll($0, to: descriptor, path: path) }
}
