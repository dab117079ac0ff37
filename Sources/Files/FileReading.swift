import Glibc

/// The whole content of the regular file at `path`, at most `limit` bytes.
/// - Throws: `Fault` .missing without a readable file, .badData when it is larger than `limit`.
package func readFile(_ path: String, limit: Int? = nil) throws -> [UInt8] {
  let (descriptor, size) = try openRegularFile(path)
  defer { close(descriptor) }
  if let limit, size > limit { throw tooLarge(path, limit) }
  var bytes: [UInt8] = []
  bytes.reserveCapacity(size)
  try readPieces(descriptor, path: path) { piece in
    bytes.append(contentsOf: piece)
    if let limit, bytes.count > limit { throw tooLarge(path, limit) }
  }
  return bytes
}

/// Opens the regular file at `path` for reading.
/// - Returns: the descriptor, which the caller closes, and the size of the file in bytes.
/// - Throws: `Fault` .missing without a readable file.
func openRegularFile(_ path: String) throws -> (descriptor: Int32, size: Int) {
  guard !path.utf8.contains(0) else { throw Fault(.missing, "\(path): no file name may hold a NUL") }
  // O_NONBLOCK: opening a pipe without a writer must not hang. Regular files ignore it.
  let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
  guard descriptor >= 0 else { throw unreadable(path, errno) }
  do {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw unreadable(path, errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "not a regular file"
      throw Fault(.missing, file: path, "is \(kind); expected a file")
    }
    return (descriptor, Int(status.st_size))
  } catch {
    close(descriptor)
    throw error
  }
}

/// The size of a regular file in bytes.
/// - Throws: `Fault` .missing where there is no readable file.
package func fileByteCount(_ path: String) throws -> Int {
  let (descriptor, size) = try openRegularFile(path)
  close(descriptor)
  return size
}

/// Reads from the present position to the end of the file, piece by piece.
///
/// All pieces go through one buffer, which is small enough to stay in the processor's cache. That makes
/// reading about as fast as mapping the file. A mapped file would end this program with SIGBUS if another
/// program cut it short.
/// - Throws: `Fault` .missing, and the errors of `body`.
func readPieces(_ descriptor: Int32, path: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
  try withUnsafeTemporaryAllocation(byteCount: 1 << 17, alignment: 64) { buffer in
    while true {
      let count = read(descriptor, buffer.baseAddress, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw unreadable(path, errno) }
      if count == 0 { return }
      try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }
}

private func unreadable(_ path: String, _ code: Int32) -> Fault {
  code == ENOENT
    ? Fault(.missing, file: path, "no such file")
    : Fault(.missing, file: path, "cannot be read: \(errorText(code))")
}

private func tooLarge(_ path: String, _ limit: Int) -> Fault {
  Fault(.badData, file: path, "is too large; expected at most \(limit) bytes")
}

/// The system's text for an errno value.
package func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }

/// A hint for a missing path that begins with `~`, which only a shell expands; nil for any other path.
package func homeHint(_ path: String) -> String? {
  path.hasPrefix("~") ? "only the shell expands ~; write the whole path" : nil
}

/// The path from the root, with links resolved; `path` itself when nothing exists there.
package func absolutePath(_ path: String) -> String {
  guard let resolved = realpath(path, nil) else { return path }
  defer { free(resolved) }
  return String(cString: resolved)
}
