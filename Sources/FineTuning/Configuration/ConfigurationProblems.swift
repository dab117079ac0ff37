import Files
import YAML

/// The problems found so far while a configuration is read.
package struct ConfigurationProblems {
  /// The file named on the command line. Problems without a place are reported for it.
  package let mainFile: String
  private var found: [(origin: YAMLOrigin, fault: Fault)] = []
  /// Most problems that are shown. The rest are counted.
  private static let shown = 50

  package init(mainFile: String) {
    self.mainFile = mainFile
  }

  package var isEmpty: Bool { found.isEmpty }

  /// Adds a problem with the value of the key `path`: `FILE:LINE:COLUMN: path: text`.
  package mutating func add(_ origin: YAMLOrigin, _ path: String, _ text: String, hint: String? = nil) {
    switch origin {
    case .file: add(origin, text: "\(path): \(text)", hint: hint)
    case .commandLine: append(origin, Fault(.configuration, "command line: \(path): \(text)", hint: hint))
    case .defaults: append(origin, Fault(.configuration, file: mainFile, "\(path): \(text)", hint: hint))
    }
  }

  /// Adds a problem whose text names its key: `FILE:LINE:COLUMN: text`; on the command line `path` comes
  /// first.
  package mutating func add(_ origin: YAMLOrigin, key path: String = "", text: String, hint: String? = nil) {
    switch origin {
    case .file(let file, let line, let column):
      append(origin, Fault(.configuration, file: file, line: line, column: column, text, hint: hint))
    case .commandLine: add(origin, path, text, hint: hint)
    case .defaults: append(origin, Fault(.configuration, file: mainFile, text, hint: hint))
    }
  }

  /// Appends the problems of `others`.
  package mutating func append(_ others: ConfigurationProblems) {
    found += others.found
  }

  private mutating func append(_ origin: YAMLOrigin, _ fault: Fault) {
    found.append((origin, fault))
  }

  /// Every problem as one error: first those of the main file, line by line, then those of other files, then
  /// those of the command line.
  package func faults(files: [String]) -> ConfigurationFaults {
    let ranks = Dictionary(files.enumerated().map { ($1, $0) }, uniquingKeysWith: min)
    func position(_ origin: YAMLOrigin) -> (Int, Int, Int) {
      switch origin {
      case .file(let file, let line, let column): (ranks[file] ?? files.count, line, column)
      case .defaults: (files.count, 0, 0)
      case .commandLine: (files.count + 1, 0, 0)
      }
    }
    let sorted = found.enumerated().sorted {
      let (left, right) = (position($0.element.origin), position($1.element.origin))
      return left == right ? $0.offset < $1.offset : left < right
    }.map(\.element.fault)
    guard sorted.count > Self.shown else { return ConfigurationFaults(sorted) }
    let rest = Fault(.configuration, file: mainFile, "\(sorted.count - Self.shown) more problems")
    return ConfigurationFaults(sorted.prefix(Self.shown) + [rest])
  }
}
