import Files

/// Where a value of the configuration was written.
package enum YAMLOrigin: Equatable, Sendable {
  /// In a file, at a line and a column counted from 1.
  case file(String, line: Int, column: Int)
  /// In a `key.path=value` argument.
  case commandLine
  /// Nowhere: it is a default.
  case defaults
}
