import Files
import Glibc

/// A run's folder, locked against a second process.
package final class RunDirectory {
  /// The paths of its files.
  package let paths: RunPaths
  private let descriptor: Int32

  /// Makes the folder if necessary, and locks it until this object or the process ends.
  /// - Throws: `Fault` .cannotCreate, or .inUse when another process holds it.
  package init(locking path: String) throws {
    paths = RunPaths(path)
    try makeDirectory(path)
    descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Fault(.cannotCreate, file: path, "cannot be opened") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw Fault(
        .inUse, file: path, "the run directory is in use by another process",
        hint: "wait for it to end, or set run.directory to another folder")
    }
  }

  deinit { close(descriptor) }

  /// Refuses a folder that another process works in, and one that holds a training run, which is never
  /// overwritten. Makes nothing.
  /// - Throws: `Fault` .inUse or .cannotCreate.
  package static func requireUnused(_ path: String) throws {
    if isDirectory(path) { try RunDirectory(locking: path).requireUnused() }
  }

  /// Refuses a folder that holds a training run, which is never overwritten.
  /// - Throws: `Fault` .cannotCreate.
  package func requireUnused() throws {
    for name in RunPaths.Name.ofTraining where RunPaths.exists("\(paths.folder)/\(name)") {
      throw Fault(
        .cannotCreate, file: paths.folder, "a run is there already (it has \(name))",
        hint: "set run.name or run.directory to another, or remove the folder")
    }
  }
}
