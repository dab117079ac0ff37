import Glibc

/// The whole content of the regular file at `path`, at most `limit` bytes.
/// - Throws: `Fault` .missing where there is no readable file, .badData where it is larger than `limit`.
package func readFile(_ path: String, limit: Int? = nil) throws -> [UInt8] {
  // O_NONBLOCK: opening a pipe without a writer must not hang; regular files ignore it.
  let descriptor = try openChecked(path, O_RDONLY | O_NONBLOCK)
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0 else { throw unreadable(path, errno) }
  guard status.st_mode & S_IFMT == S_IFREG else {
    let kind = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "not a regular file"
    throw Fault(.missing, file: path, "is \(kind); expected a file")
  }
  if let limit, status.st_size > limit { throw tooLarge(path, limit) }
  return try readToEnd(descriptor, path: path, limit: limit, sizeHint: Int(status.st_size))
}

private func openChecked(_ path: String, _ flags: Int32) throws -> Int32 {
  guard !path.utf8.contains(0) else { throw Fault(.missing, "\(path): no file name may hold a NUL") }
  let descriptor = open(path, flags | O_CLOEXEC)
  guard descriptor >= 0 else { throw unreadable(path, errno) }
  return descriptor
}

private func readToEnd(_ descriptor: Int32, path: String, limit: Int?, sizeHint: Int) throws -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(sizeHint)
  var chunk = [UInt8](repeating: 0, count: 1 << 18)
  while true {
    let count = read(descriptor, &chunk, chunk.count)
    if count < 0 && errno == EINTR { continue }
    guard count >= 0 else { throw unreadable(path, errno) }
    if count == 0 { return bytes }
    bytes.append(contentsOf: chunk[..<count])
    if let limit, bytes.count > limit { throw tooLarge(path, limit) }
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

/// The system's words for an errno value.
func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }

/// What to say about a missing path that begins with `~`, which only a shell expands; nil for any other.
package func homeHint(_ path: String) -> String? {
  path.hasPrefix("~") ? "only the shell expands ~; write the whole path" : nil
}

/// The path from the root, links resolved; as it is where nothing is there.
package func absolutePath(_ path: String) -> String {
  guard let resolved = realpath(path, nil) else { return path }
  defer { free(resolved) }
  return String(cString: resolved)
}
