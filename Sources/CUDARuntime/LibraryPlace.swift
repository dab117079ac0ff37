import FoundationEssentials

/// A place to look for a library in.
package enum LibraryPlace: Equatable, Sendable, CustomStringConvertible {
  /// Wherever the system's loader looks for a bare name: ld.so.cache and the default folders.
  case loader
  /// One folder.
  case folder(String)

  /// For a list of places looked at.
  package var description: String {
    switch self {
    case .loader: "the system's loader paths"
    case .folder(let path): path
    }
  }

  /// What dlopen is given for `library` here; nil where the folder has no such file.
  func path(of library: String) -> String? {
    switch self {
    case .loader: library
    case .folder(let folder):
      FileManager.default.fileExists(atPath: "\(folder)/\(library)") ? "\(folder)/\(library)" : nil
    }
  }
}
