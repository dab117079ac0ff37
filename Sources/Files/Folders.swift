import Glibc

/// Makes the folder at `path` and those above it. A folder that exists already is no error.
/// - Throws: `Fault` .cannotCreate.
package func makeDirectory(_ path: String) throws {
  try refuseNUL(in: path)
  var code = mkdir(path, 0o777) == 0 ? 0 : errno
  let above = parent(of: path)
  if code == ENOENT && above != path && !path.isEmpty {
    try makeDirectory(above)
    code = mkdir(path, 0o777) == 0 ? 0 : errno
  }
  guard code == 0 || (code == EEXIST && isDirectory(path)) else { throw uncreatable(path, code) }
}

/// Syncs the entries of the folder at `path` to disk.
/// - Throws: `Fault` .cannotWrite.
package func syncDirectory(_ path: String) throws {
  let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { throw unwritable(path, errno) }
  defer { close(descriptor) }
  // Some network file systems cannot fsync a folder, and return EINVAL.
  guard fsync(descriptor) == 0 || errno == EINVAL else { throw unwritable(path, errno) }
}

/// Whether `path` is a folder, or a link to one.
package func isDirectory(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// `path` without slashes at its end; "/" is kept.
package func withoutSlashesAtEnd(_ path: String) -> String {
  var bytes = Array(path.utf8)
  while bytes.count > 1 && bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
  return String(decoding: bytes, as: UTF8.self)
}

/// The folder part of `path`: "." for a bare name, "/" for a name in the root.
func parent(of path: String) -> String {
  let bytes = Array(withoutSlashesAtEnd(path).utf8)
  guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
  return slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
}
