import Glibc

/// A file that is written whole or not at all, even through a crash or a loss of power.
///
/// The content is written to `temporary`, beside the target, and synced to disk. A rename then gives it the
/// target's name, and the folder is synced. Until that rename, the target stays as it was. A file that is
/// abandoned before the rename leaves no temporary. Two writers of one path at a time are not supported.
package final class WholeFile {
  /// The target.
  package let path: String
  /// Where the content is until it takes the target's name. A library that writes by itself may write to this
  /// path, but must not put another file there.
  package let temporary: String
  /// nil once the content is synced.
  private var descriptor: Int32?
  private var hasName = false

  /// Creates the temporary file, which is empty.
  /// - Throws: `Fault` .cannotCreate.
  package init(_ path: String) throws {
    try refuseNUL(in: path)
    let temporary = path + ".tmp"
    // A file that a killed writer left, or a link that must not be followed.
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw uncreatable(path, errno) }
    (self.path, self.temporary, self.descriptor) = (path, temporary, descriptor)
  }

  deinit {
    if let descriptor { close(descriptor) }
    if !hasName { unlink(temporary) }
  }

  /// Appends bytes, straight from memory.
  /// - Throws: `Fault` .cannotWrite.
  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    guard let descriptor else { preconditionFailure("WholeFile: \(path) is written after its end") }
    try writeAll(bytes, to: descriptor, path: path)
  }

  /// Appends bytes. Those in an array or a slice are not copied.
  /// - Throws: `Fault` .cannotWrite.
  package func write(_ bytes: some Collection<UInt8>) throws {
    let done: Void? = try bytes.withContiguousStorageIfAvailable { try write(UnsafeRawBufferPointer($0)) }
    if done == nil { try Array(bytes).withUnsafeBytes { try write($0) } }
  }

  /// Syncs the content to disk. Nothing can be written afterwards.
  /// - Throws: `Fault` .cannotWrite.
  package func sync() throws {
    guard let descriptor else { return }
    // The system syncs everything that it holds of a file, whoever wrote it.
    guard fsync(descriptor) == 0 else { throw unwritable(path, errno) }
    self.descriptor = nil
    guard close(descriptor) == 0 else { throw unwritable(path, errno) }
  }

  /// Gives the synced content the target's name. The folder is not synced.
  /// - Throws: `Fault` .cannotWrite.
  func takeName() throws {
    try sync()
    guard rename(temporary, path) == 0 else { throw unwritable(path, errno) }
    hasName = true
  }

  /// Finishes the file: it takes the target's place.
  /// - Throws: `Fault` .cannotWrite.
  package func commit() throws {
    try takeName()
    try syncDirectory(parent(of: path))
  }
}

func refuseNUL(in path: String) throws {
  guard !path.utf8.contains(0) else { throw Fault(.cannotCreate, "\(path): no file name may hold a NUL") }
}

func uncreatable(_ path: String, _ code: Int32) -> Fault {
  Fault(.cannotCreate, file: path, "cannot be created: \(errorText(code))")
}

func unwritable(_ path: String, _ code: Int32) -> Fault {
  Fault(.cannotWrite, file: path, "cannot be written: \(errorText(code))")
}

/// Writes all bytes, in as many calls as the system needs.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { throw unwritable(path, count < 0 ? errno : EIO) }
    rest = rest.dropFirst(count)
  }
}
