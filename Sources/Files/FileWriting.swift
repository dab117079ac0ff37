import Glibc

/// Makes `path` hold exactly `bytes`, all or nothing, also through a crash or a loss of power: `path`.tmp is
/// written and synced, takes the name by a rename, and the folder is synced. On failure `path` stays as it was and
/// no temporary file is left. Two writers of one path at once are not provided for.
/// - Throws: `Fault` .cannotCreate where the file cannot be made, .cannotWrite afterwards.
package func writeAtomically(_ bytes: some Collection<UInt8>, to path: String) throws {
  try StagedFile(bytes, for: path).takePlace()
  try syncDirectory(parent(of: path))
}

/// The same, of a text in UTF-8.
package func writeAtomically(_ text: String, to path: String) throws {
  try writeAtomically(Array(text.utf8), to: path)
}

/// Writes several files as `writeAtomically` does, in this order, but the first takes its name only when all are written
/// and synced: where that fails, for lack of room say, every file stays as it was.
///
/// The last file vouches for the others: an earlier one of its name is away while they take theirs. Files at `removed`
/// go then too.
/// - Throws: `Fault` .cannotCreate or .cannotWrite.
package func writeTogether(_ files: [(path: String, text: String)], removed: [String] = []) throws {
  var staged: [StagedFile] = []
  defer { staged.forEach { $0.discard() } }
  for file in files { staged.append(try StagedFile(Array(file.text.utf8), for: file.path)) }
  guard let last = files.last?.path else { return }
  let earlier = last + ".old"
  let hasEarlier = rename(last, earlier) == 0
  do {
    try staged.first?.takePlace()
  } catch {
    if hasEarlier { rename(earlier, last) }
    throw error
  }
  defer { unlink(earlier) }
  removed.forEach { unlink($0) }
  for file in staged.dropFirst() { try file.takePlace() }
  for folder in Set(files.map { parent(of: $0.path) }) { try syncDirectory(folder) }
}

/// A file's new content, written and synced under another name beside it.
private struct StagedFile {
  private let path: String
  private var temporary: String { path + ".tmp" }

  init(_ bytes: some Collection<UInt8>, for path: String) throws {
    self.path = path
    guard !path.utf8.contains(0) else { throw Fault(.cannotCreate, "\(path): no file name may hold a NUL") }
    // Left over by a killed writer, or a link that must not be followed.
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw Fault(.cannotCreate, file: path, "cannot be created: \(errorText(errno))")
    }
    do {
      try fill(descriptor, with: bytes, path: path)
    } catch {
      discard()
      throw error
    }
  }

  /// Takes the file's name.
  func takePlace() throws {
    guard rename(temporary, path) == 0 else {
      let code = errno
      discard()
      throw unwritable(path, code)
    }
  }

  /// Removes what has not taken its place.
  func discard() { unlink(temporary) }
}

/// Makes the folder at `path` and those above it; one that is there already is fine.
/// - Throws: `Fault` .cannotCreate.
package func makeDirectory(_ path: String) throws {
  guard !path.utf8.contains(0) else { throw Fault(.cannotCreate, "\(path): no file name may hold a NUL") }
  var code = mkdir(path, 0o777) == 0 ? 0 : errno
  let above = parent(of: path)
  if code == ENOENT && above != path && !path.isEmpty {
    try makeDirectory(above)
    code = mkdir(path, 0o777) == 0 ? 0 : errno
  }
  guard code == 0 || (code == EEXIST && isDirectory(path)) else {
    throw Fault(.cannotCreate, file: path, "cannot be created: \(errorText(code))")
  }
}

/// Brings the entries of the folder at `path` to the disk.
/// - Throws: `Fault` .cannotWrite.
package func syncDirectory(_ path: String) throws {
  let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { throw unwritable(path, errno) }
  defer { close(descriptor) }
  // Some network file systems know no fsync of a folder and say EINVAL.
  guard fsync(descriptor) == 0 || errno == EINVAL else { throw unwritable(path, errno) }
}

/// Whether `path` is a folder, or a link to one.
package func isDirectory(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// Writes, syncs and closes; closes on failure too.
private func fill(_ descriptor: Int32, with bytes: some Collection<UInt8>, path: String) throws {
  do {
    let done: Void? = try bytes.withContiguousStorageIfAvailable {
      try writeAll(UnsafeRawBufferPointer($0), to: descriptor, path: path)
    }
    if done == nil {
      try Array(bytes).withUnsafeBytes { try writeAll($0, to: descriptor, path: path) }
    }
    guard fsync(descriptor) == 0 else { throw unwritable(path, errno) }
  } catch {
    close(descriptor)
    throw error
  }
  guard close(descriptor) == 0 else { throw unwritable(path, errno) }
}

func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { throw unwritable(path, count < 0 ? errno : EIO) }
    rest = rest.dropFirst(count)
  }
}

/// The folder part of `path`: "." for a bare name, "/" for what lies in the root.
private func parent(of path: String) -> String {
  var bytes = Array(path.utf8)
  while bytes.count > 1 && bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
  guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
  return slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
}

private func unwritable(_ path: String, _ code: Int32) -> Fault {
  Fault(.cannotWrite, file: path, "cannot be written: \(errorText(code))")
}
