import Files
import FoundationEssentials
import YAML

extension RunConfiguration {
  /// The configuration in the file at `path`. Defaults come first, then the files that it extends, then the
  /// file itself, then `overrides` (`key.path=value`); later values win.
  ///
  /// Throws `ConfigurationFaults` with every problem, or the `Fault` of a file that cannot be read.
  package static func load(path: String, overrides: [String] = []) throws -> RunConfiguration {
    try parse(readFile(path, limit: YAMLLimits.bytes), file: path, overrides: overrides)
  }

  /// The configuration in the text `bytes`, called `file` in messages. The files that it extends are read
  /// from disk, relative to `file`.
  ///
  /// Throws what `load` throws.
  package static func parse(
    _ bytes: [UInt8], file: String, overrides: [String] = []
  ) throws -> RunConfiguration {
    try parse(bytes, file: file, overrides: overrides, keptBy: nil)
  }

  /// - run: the folder of the run, if this is its saved configuration. It becomes the run directory.
  static func parse(
    _ bytes: [UInt8], file: String, overrides: [String], keptBy run: String?
  ) throws -> RunConfiguration {
    var source = ConfigurationSource(mainFile: file, run: run)
    let (read, given) = (try source.tree(of: bytes, file: file), try source.tree(of: overrides))
    let written = read.merged(with: given)
    let defaults = defaultTree(name: defaultName(file))
    let tree = Interpolator.resolve(defaults.merged(with: written), known: keyPaths, &source.problems)
    var configuration = RunConfiguration(named: "")
    ConfigurationFormat<RunConfiguration>.configuration.read(tree, "", &configuration, &source.problems)
    if source.problems.isEmpty {
      configuration.checkRules(tree, written: written, &source.problems)
      if given.value(at: ["run", "directory"]) == nil {
        configuration.settleDirectory(run, file: file, tree, &source.problems)
      }
    }
    guard source.problems.isEmpty else { throw source.problems.faults(files: source.files) }
    return configuration
  }

  /// Sets the directory to the folder of a saved configuration's run, wherever the run was made.
  private mutating func settleDirectory(
    _ known: String?, file: String, _ tree: YAMLNode, _ problems: inout ConfigurationProblems
  ) {
    if let known {
      run.directory = known
    } else if let folder = Self.runFolder(ofConfiguration: file) {
      checkDirectory(folder, tree.value(at: ["run", "directory"])?.origin ?? .defaults, &problems)
    }
  }

  /// Every value, in a fixed order, as text that `parse` reads back as an equal configuration.
  package func resolvedYAML() -> String { YAMLWriter.text(tree) }

  /// Every value, in a fixed order.
  var tree: YAMLNode { ConfigurationFormat<RunConfiguration>.configuration.write(self) }

  /// The dotted path of every key and section.
  package static let keyPaths = defaultTree(name: "run").keyPaths

  /// Every key with its default. The default directory follows the name even if the name is set later.
  private static func defaultTree(name: String) -> YAMLNode {
    let tree = RunConfiguration(named: name).tree
    let directory = RunSection(name: "${run.name}").directory
    let node = YAMLNode(.scalar(directory, isPlain: false))
    let section = YAMLNode(.mapping([.init(key: "directory", value: node)]))
    return tree.merged(with: YAMLNode(.mapping([.init(key: "run", value: section)])))
  }

  /// The file's name without its extension.
  private static func defaultName(_ file: String) -> String {
    let name = parts(of: file, at: "/").last { !$0.isEmpty } ?? file
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return name }
    return String(name[..<dot])
  }
}

/// The files and arguments that make up a configuration.
private struct ConfigurationSource {
  var problems: ConfigurationProblems
  /// The main file, the file that it extends, and so on.
  private(set) var files: [String] = []
  /// The folder of the run, where the main file is the saved configuration of a run.
  private let run: String?
  private static let maximumFiles = 8

  init(mainFile: String, run: String?) {
    problems = ConfigurationProblems(mainFile: mainFile)
    self.run = run
  }

  /// The tree of a file's text, merged over the trees of the files that it extends.
  mutating func tree(of bytes: [UInt8], file: String) throws -> YAMLNode {
    files.append(file)
    let document: YAMLDocument
    do {
      document = try YAMLParser.parse(bytes) { .file(file, line: $0, column: $1) }
    } catch {
      throw ConfigurationFaults([
        Fault(.configuration, file: file, line: error.line, column: error.column, error.text)
      ])
    }
    for problem in document.problems { problems.add(problem.origin, text: problem.text) }
    guard let root = document.root, root.scalar != .null else {
      problems.add(.file(file, line: 1, column: 1), text: "nothing in it; expected a map of sections")
      return YAMLNode(.mapping([]))
    }
    guard case .mapping(var entries) = root.content else {
      problems.add(root.origin, text: "expected a map of sections, got \(root.shown)")
      return YAMLNode(.mapping([]))
    }
    let isSaved = (files.count == 1 && run != nil) || RunConfiguration.runFolder(ofConfiguration: file) != nil
    if isSaved { RunConfiguration.checkSaved(root, &problems) }
    guard let place = entries.firstIndex(where: { $0.key == "extends" }) else { return root }
    let parent = entries.remove(at: place).value
    let own = YAMLNode(.mapping(entries), origin: root.origin)
    if isSaved { return own }
    return try extended(parent, by: file).merged(with: own)
  }

  /// The tree of the file that `file` names in `extends:`.
  private mutating func extended(_ parent: YAMLNode, by file: String) throws -> YAMLNode {
    if let comment = parent.comment {
      problems.add(comment.origin, "extends", parent.content.text(of: comment.text))
      return YAMLNode(.mapping([]))
    }
    guard case .string(let name) = parent.scalar, !name.isEmpty else {
      problems.add(parent.origin, "extends", "expected a path, got \(parent.shown)")
      return YAMLNode(.mapping([]))
    }
    let folder = file.utf8.lastIndex(of: UInt8(ascii: "/")).map { file[...$0] } ?? ""
    let path = name.utf8.first == UInt8(ascii: "/") ? name : folder + name
    if let start = files.firstIndex(where: { isSameFile($0, path) }) {
      let circle = (files[start...] + [path]).joined(separator: " -> ")
      problems.add(parent.origin, "extends", "a file that extends itself: \(circle)")
      throw problems.faults(files: files)
    }
    guard files.count < Self.maximumFiles else {
      problems.add(parent.origin, "extends", "a chain of more than \(Self.maximumFiles) files")
      throw problems.faults(files: files)
    }
    let bytes: [UInt8]
    do {
      bytes = try readFile(path, limit: YAMLLimits.bytes)
    } catch let fault as Fault {
      guard case .file(_, let line, let column) = parent.origin else { throw fault }
      let text = "extends: \(fault.message)"
      throw Fault(fault.kind, file: file, line: line, column: column, text, hint: fault.hint)
    }
    return try tree(of: bytes, file: path)
  }

  private func isSameFile(_ left: String, _ right: String) -> Bool {
    URL(fileURLWithPath: left).resolvingSymlinksInPath()
      == URL(fileURLWithPath: right).resolvingSymlinksInPath()
  }

  /// The tree of `key.path=value` arguments. A later one wins over an earlier one.
  mutating func tree(of overrides: [String]) throws -> YAMLNode {
    var tree = YAMLNode(.mapping([]), origin: .commandLine)
    for override in overrides {
      if let node = try node(of: override) { tree = tree.merged(with: node) }
    }
    return tree
  }

  private mutating func node(of override: String) throws -> YAMLNode? {
    let halves = parts(of: override, at: "=", maximumSplits: 1)
    let path = halves[0]
    let keys = parts(of: path, at: ".")
    guard halves.count == 2, keys.allSatisfy({ !$0.isEmpty }), keys.count <= YAMLLimits.depth else {
      throw Fault(.usage, "command line: \(quoted(override, mark: "'")): expected key.path=value")
    }
    guard keys[0] != "extends" else {
      problems.add(.commandLine, "extends", "is for files only")
      return nil
    }
    do {
      let document = try YAMLParser.parse(argument: halves[1])
      for problem in document.problems { problems.add(.commandLine, key: path, text: problem.text) }
      let value = document.root ?? YAMLNode(.scalar("", isPlain: true), origin: .commandLine)
      return keys.reversed().reduce(value) { node, key in
        YAMLNode(.mapping([.init(key: key, origin: .commandLine, value: node)]), origin: .commandLine)
      }
    } catch {
      problems.add(.commandLine, path, error.text)
      return nil
    }
  }
}

/// Splits `text` at the bytes `separator`, even where a combining character follows one.
func parts(of text: String, at separator: Unicode.Scalar, maximumSplits: Int = .max) -> [String] {
  text.utf8.split(
    separator: UInt8(ascii: separator), maxSplits: maximumSplits, omittingEmptySubsequences: false
  ).map { String(Substring($0)) }
}
