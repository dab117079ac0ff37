import Files
import Glibc

/// A regular file mapped read-only into memory, unmapped when the last reference goes.
///
/// If another program cuts the file short, the mapped bytes cannot be read safely. So only files that are
/// replaced by a rename are mapped.
package final class MappedFile {
  /// The path as it was given, for messages.
  package let path: String
  /// Length in bytes.
  package let byteCount: Int
  private let mapping: UnsafeMutableRawPointer?

  /// Maps the regular file at `path`, following links.
  /// - Throws: `Fault` .missing without a readable regular file, .unavailable when it cannot be mapped.
  package init(path: String) throws {
    guard !path.utf8.contains(0) else { throw Fault(.missing, "\(path): no file name may hold a NUL") }
    // O_NONBLOCK: opening a pipe without a writer must not hang. Regular files ignore it.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let problem = errno == ENOENT ? "no such file" : "cannot be read: \(String(cString: strerror(errno)))"
      throw Fault(.missing, file: path, problem)
    }
    defer { close(descriptor) }
    byteCount = try Self.regularFileSize(descriptor, path)
    self.path = path
    // mmap refuses a length of zero.
    mapping = byteCount == 0 ? nil : mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0)
    if mapping == MAP_FAILED {
      throw Fault(.unavailable, file: path, "cannot be mapped: \(String(cString: strerror(errno)))")
    }
  }

  deinit {
    if let mapping, mapping != MAP_FAILED { munmap(mapping, byteCount) }
  }

  /// Calls `body` with the whole file. The bytes are valid only within the call.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(start: mapping, count: byteCount)) }
  }

  /// The whole file as a storage that keeps this mapping alive. It must not be written to.
  package func storage() -> Storage {
    guard let mapping else { return Storage(byteCount: 0) }
    return Storage(borrowing: mapping, byteCount: byteCount, owner: self)
  }

  private static func regularFileSize(_ descriptor: Int32, _ path: String) throws -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw Fault(.missing, file: path, "cannot be read: \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "not a regular file"
      throw Fault(.missing, file: path, "is \(kind); expected a file")
    }
    return Int(status.st_size)
  }
}
