import FoundationEssentials
import Glibc

/// A folder that is made whole or not at all, even through a crash or a loss of power.
package enum WholeFolder {
  /// Makes the folder `path`, which must not exist.
  ///
  /// `body` fills a temporary folder beside it, and syncs each file there to disk. A rename then gives that
  /// folder the name `path`. After a failure nothing is left.
  /// - Parameter body: gets the path of the temporary folder.
  /// - Throws: `Fault` .cannotCreate when `path` exists or cannot be made, .cannotWrite, and the errors of
  ///   `body`.
  package static func make(_ path: String, _ body: (String) throws -> Void) throws {
    // "final/" must not become "final/.tmp".
    let path = withoutSlashesAtEnd(path)
    try refuseNUL(in: path)
    guard !isTaken(path) else {
      throw Fault(.cannotCreate, file: path, "exists already; expected a new folder")
    }
    let temporary = path + ".tmp"
    // A folder that a killed writer left.
    if isTaken(temporary) { remove(temporary) }
    try makeDirectory(temporary)
    do {
      try body(temporary)
      try syncDirectory(temporary)
      guard rename(temporary, path) == 0 else { throw unwritable(path, errno) }
    } catch {
      remove(temporary)
      throw error
    }
    try syncDirectory(parent(of: path))
  }

  /// Whether anything has this name, even a link to nothing.
  private static func isTaken(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  private static func remove(_ folder: String) { try? FileManager.default.removeItem(atPath: folder) }
}
