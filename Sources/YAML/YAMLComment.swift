import Files

/// A comment that cuts an unquoted text short, or stands where a text may have been meant.
package struct YAMLComment: Equatable, Sendable {
  /// Where its `#` stands.
  package var origin: YAMLOrigin
  /// From the `#` to the end of the line.
  package var text: String
}
