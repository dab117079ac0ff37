import Files
import FoundationEssentials

/// The places to search for CUDA's libraries, in order. The search runs no program.
package struct LibraryPlaces: Equatable, Sendable {
  /// Name of the configuration key for a folder to search before all others.
  package static let key = "cuda.libraries"

  /// A folder chosen by hand. Its libraries are taken before all others, even before newer ones.
  package var folder: String?
  /// Places for libcuda.so.1, which comes with the driver.
  package var driver: [LibraryPlace]
  /// Places for NVRTC and cuBLASLt, which come with the CUDA toolkit or as Python packages.
  package var toolkit: [LibraryPlace]

  /// These places and no others.
  package init(folder: String? = nil, driver: [LibraryPlace] = [], toolkit: [LibraryPlace] = []) {
    self.folder = folder
    self.driver = driver
    self.toolkit = toolkit
  }

  /// `folder` if given, then the loader's paths, the toolkit's folder, and Python environments.
  /// - searchPath: the folders of PATH. A `python3` in one marks an environment.  - home: the user's home
  ///   folder.
  /// - root: prefix of every absolute path except for `folder`, `searchPath` and `home`.
  package init(folder: String?, searchPath: [String], home: String, root: String = "") {
    // Containers have the driver mounted in the first folder, and Linux on Windows has it in the second.
    let driverFolders = ["/usr/local/nvidia/lib64", "/usr/lib/wsl/lib"].map { LibraryPlace.folder(root + $0) }
    let packages = pythonFolders(searchPath: searchPath, home: home, root: root)
    self.init(
      folder: folder, driver: [.loader] + driverFolders,
      toolkit: [.loader, .folder(root + "/usr/local/cuda/lib64")] + packages.map { .folder($0) })
  }

  /// Each of `names`, newest first, with each place to search: first the folder chosen by hand, then name by
  /// name.
  func looks(for names: [String], in places: [LibraryPlace]) -> [(name: String, place: LibraryPlace)] {
    let chosen = names.flatMap { name in (folder.map { [(name, LibraryPlace.folder($0))] }) ?? [] }
    return chosen + names.flatMap { name in places.map { (name, $0) } }
  }

  /// The places on this machine.
  package static func standard(folder: String?) -> LibraryPlaces {
    let environment = ProcessInfo.processInfo.environment
    let path = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
    return LibraryPlaces(folder: folder, searchPath: path, home: environment["HOME"] ?? "/nonexistent")
  }
}

/// Existing folders of NVIDIA's Python packages and of conda's libraries, each once.
private func pythonFolders(searchPath: [String], home: String, root: String) -> [String] {
  let prefixes = searchPath.flatMap(pythonPrefixes)
  let libraries =
    prefixes.flatMap { ["\($0)/lib", "\($0)/lib64"] }
    + ["\(home)/.local/lib", "\(root)/usr/local/lib", "\(root)/usr/lib"]
  let packages = libraries.flatMap(packageFolders).flatMap { folder in
    ["cu13/lib", "cuda_nvrtc/lib", "cublas/lib"].map { "\(folder)/nvidia/\($0)" }
  }
  let conda = prefixes.filter { isDirectory("\($0)/conda-meta") }.map { "\($0)/lib" }
  var seen = Set<String>()
  return (packages + conda).filter { isDirectory($0) && seen.insert(resolved($0)).inserted }
}

/// Environments whose `bin` is `folder`: the one that contains it, and the one that a linked interpreter
/// comes from.
private func pythonPrefixes(_ folder: String) -> [String] {
  let program = folder + "/python3"
  guard folder.hasPrefix("/"), FileManager.default.fileExists(atPath: program) else { return [] }
  let real = URL(fileURLWithPath: resolved(program))
  return [
    URL(fileURLWithPath: folder).deletingLastPathComponent().path,
    real.deletingLastPathComponent().deletingLastPathComponent().path,
  ]
}

/// The folders `lib/python3*/site-packages` and `dist-packages`.
private func packageFolders(_ library: String) -> [String] {
  let names = (try? FileManager.default.contentsOfDirectory(atPath: library)) ?? []
  return names.filter { $0.hasPrefix("python3") }.sorted(by: >).flatMap {
    ["\(library)/\($0)/site-packages", "\(library)/\($0)/dist-packages"]
  }
}

private func resolved(_ path: String) -> String {
  URL(fileURLWithPath: path).resolvingSymlinksInPath().path
}
