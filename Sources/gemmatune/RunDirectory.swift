import Files
import Glibc

/// A run's folder: where its files are, and the lock that keeps a second process out.
package final class RunDirectory {
  /// The folder.
  package let path: String
  private let descriptor: Int32

  /// The files of a run, by their paths.
  var configurationFile: String { "\(path)/config.yaml" }
  var metricsFile: String { "\(path)/metrics.jsonl" }
  var metricsTableFile: String { "\(path)/metrics.h5" }
  var logFile: String { "\(path)/train.log" }
  var finalFolder: String { Self.finalFolder(in: path) }
  var evaluationFolder: String { "\(path)/evaluation" }

  /// The folder of a run's finished weights.
  static func finalFolder(in run: String) -> String { "\(run)/final" }

  /// Makes the folder if need be, and locks it until this object or the process ends.
  /// - Throws: `Fault` .cannotCreate, or .inUse when another process holds it.
  package init(locking path: String) throws {
    self.path = path
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

  /// Refuses a folder that another process works in, and one that holds a training run: it is never written over.
  /// Makes nothing.
  /// - Throws: `Fault` .inUse or .cannotCreate.
  package static func requireUnused(_ path: String) throws {
    if isDirectory(path) { try RunDirectory(locking: path).requireUnused() }
  }

  /// Refuses a folder that holds a training run: it is never written over.
  /// - Throws: `Fault` .cannotCreate.
  package func requireUnused() throws {
    for name in ["metrics.jsonl", "train.log", "final"] where Self.exists("\(path)/\(name)") {
      throw Fault(
        .cannotCreate, file: path, "a run is there already (it has \(name))",
        hint: "set run.name or run.directory to another, or remove the folder")
    }
  }

  /// Whether something of that name is there.
  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}
