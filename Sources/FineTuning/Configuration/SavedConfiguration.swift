import Files
import Glibc
import YAML

// The configuration that a run keeps in its folder. Somebody else may have written it on another machine. So
// it must not decide which libraries are opened, which code is run, or where else files go.

extension RunConfiguration {
  /// Keys that make the program open libraries and run compiled kernels from a folder.
  private static let machineKeys = [["cuda", "libraries"], ["cuda", "kernel_cache"]]

  /// The text of a run's config.yaml: every value except for those of `machineKeys`.
  package func savedYAML() -> String {
    YAMLWriter.text(Self.machineKeys.reduce(tree) { $0.without($1) })
  }

  /// The configuration of the run in `folder`, which becomes its directory wherever the run was made.
  /// `overrides` win.
  ///
  /// Throws what `load(path:)` throws, also where the file names libraries or other files.
  package static func load(savedIn folder: String, overrides: [String] = []) throws -> RunConfiguration {
    let file = RunPaths(folder).configuration
    let bytes = try readFile(file, limit: YAMLLimits.bytes)
    return try parse(bytes, file: file, overrides: overrides, keptBy: folder)
  }

  /// The folder of the run that saved the configuration `file`; nil for a file that a person wrote.
  static func runFolder(ofConfiguration file: String) -> String? {
    let path = file.utf8.contains(UInt8(ascii: "/")) ? file : "./\(file)"
    let ending = "/" + RunPaths.Name.configuration
    for path in [path, resolved(path) ?? path] where path.hasSuffix(ending) {
      let folder = String(path.dropLast(ending.count))
      let traces = RunPaths.Name.ofTraining + [RunPaths.Name.evaluation]
      if traces.contains(where: { RunPaths.exists("\(folder)/\($0)") }) { return folder }
    }
    return nil
  }

  /// Reports what the saved configuration `root` may not say, though one that a person names may.
  static func checkSaved(_ root: YAMLNode, _ problems: inout ConfigurationProblems) {
    if case .mapping(let entries) = root.content, let entry = entries.first(where: { $0.key == "extends" }) {
      problems.add(
        entry.origin, "extends", "a run's saved configuration reads no other file; expected all keys in it")
    }
    for keys in machineKeys {
      guard let value = root.value(at: keys), value.scalar != .null else { continue }
      let path = keys.joined(separator: ".")
      problems.add(
        value.origin, path, "not read from a run's saved configuration, got \(value.shown); expected none",
        hint: "give \(path) on the command line, if you trust what it names")
    }
  }

  /// Refuses a run directory other than the folder of the saved configuration `file`.
  func checkDirectory(_ folder: String, _ origin: YAMLOrigin, _ problems: inout ConfigurationProblems) {
    if Self.isSameFolder(run.directory, folder) { return }
    problems.add(
      origin, "run.directory",
      "another folder than the one of this saved configuration, got \(quoted(run.directory, mark: "'")); "
        + "expected \(quoted(folder, mark: "'"))",
      hint: "name the run's folder instead of its file, or give run.directory on the command line")
  }

  private static func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func isSameFolder(_ left: String, _ right: String) -> Bool {
    guard let left = resolved(left), let right = resolved(right) else { return false }
    return left == right
  }
}

extension YAMLNode {
  /// The map without the entry at `keys`.
  fileprivate func without(_ keys: [String]) -> YAMLNode {
    guard case .mapping(var entries) = content, let key = keys.first,
      let place = entries.firstIndex(where: { $0.key == key })
    else { return self }
    if keys.count == 1 {
      entries.remove(at: place)
    } else {
      entries[place].value = entries[place].value.without(Array(keys.dropFirst()))
    }
    return YAMLNode(.mapping(entries), origin: origin, comment: comment)
  }
}
