import FoundationEssentials

/// A place to search for a library.
package enum LibraryPlace: Equatable, Sendable, CustomStringConvertible {
  /// Where the system's loader looks for a bare name: ld.so.cache and the default folders.
  case loader
  /// One folder.
  case folder(String)

  /// The place, for a list of searched places.
  package var description: String {
    switch self {
    case .loader: "the system's loader paths"
    case .folder(let path): path
    }
  }

  /// The path to give to dlopen for `library` here; nil when the folder has no such file.
  func path(of library: String) -> String? {
    switch self {
    case .loader: library
    case .folder(let folder):
      FileManager.default.fileExists(atPath: "\(folder)/\(library)") ? "\(folder)/\(library)" : nil
    }
  }
}
