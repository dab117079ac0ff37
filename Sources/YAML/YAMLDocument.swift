import Files

/// A parsed file, and the problems that did not stop the parsing.
package struct YAMLDocument {
  /// nil when the text holds no value at all.
  package var root: YAMLNode?
  /// Keys given twice, each with its origin and message.
  package var problems: [(origin: YAMLOrigin, text: String)] = []
}
