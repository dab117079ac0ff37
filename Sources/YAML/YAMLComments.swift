import Files

/// Finds comments, which libyaml skips, in the text between its events.
struct YAMLComments {
  private let characters: [Unicode.Scalar]

  init(_ text: some Sequence<UInt8>) {
    characters = Array(String(decoding: Array(text), as: UTF8.self).unicodeScalars)
  }

  /// A comment between two events.
  struct Found {
    var mark: YAMLMark
    /// Whether the comment is alone on its line.
    var isAlone: Bool
    /// Whether a blank or the start of a line comes before its `#`.
    var isApart: Bool
    /// From the `#` to the end of the line.
    var text: String

    /// Whether it can only be a comment. `####` where a text belongs is the data's answer mark.
    var isPlainlyAComment: Bool { isApart && !text.hasPrefix("##") }
    /// Whether it hides the end of a list or a map.
    var hidesAnEnd: Bool { text.utf8.contains { "]}".utf8.contains($0) } }
  }

  /// The comment that ends the unquoted text before `end`. It stands on the same line, or on one of the next
  /// lines if they are deeper than `indent`, so that they would continue the text.
  func following(_ end: YAMLMark, deeperThan indent: Int) -> Found? {
    var mark = end
    while mark.index < characters.count {
      let character = characters[mark.index]
      if character == "#" {
        return mark.line == end.line || mark.column > indent
          ? found(at: mark, isAlone: mark.line > end.line) : nil
      }
      guard Self.isBlank(character) || Self.isBreak(character) else { return nil }
      advance(&mark)
    }
    return nil
  }

  /// The comment on the line of `mark`, if only indicators stand between the two.
  func onTheLine(of mark: YAMLMark) -> Found? {
    let rest = characters[mark.index...].prefix { ",:[]{}?-".unicodeScalars.contains($0) || Self.isBlank($0) }
    return between(mark, rest.endIndex + 1).first
  }

  /// The comments from `start` to `end` after the last indicator (`-`, `:`, `,`, `[` ...) between the two.
  func between(_ start: YAMLMark, _ end: Int) -> [Found] {
    var comments: [Found] = []
    var mark = start
    var isAlone = start.column == 0
    while mark.index < min(end, characters.count) {
      let character = characters[mark.index]
      if character == "#" {
        let comment = found(at: mark, isAlone: isAlone)
        comments.append(comment)
        mark.index += comment.text.unicodeScalars.count
        continue
      }
      if Self.isBreak(character) {
        isAlone = true
      } else if !Self.isBlank(character) {
        comments = []
        isAlone = false
      }
      advance(&mark)
    }
    return comments
  }

  private func found(at mark: YAMLMark, isAlone: Bool) -> Found {
    let line = characters[mark.index...].prefix { !Self.isBreak($0) }
    let before = mark.index > 0 ? characters[mark.index - 1] : "\n"
    return Found(
      mark: mark, isAlone: isAlone, isApart: Self.isBlank(before) || Self.isBreak(before),
      text: line.reduce(into: "") { $0.unicodeScalars.append($1) })
  }

  private func advance(_ mark: inout YAMLMark) {
    let character = characters[mark.index]
    mark.index += 1
    mark.column += 1
    guard Self.isBreak(character) else { return }
    if character == "\r", mark.index < characters.count, characters[mark.index] == "\n" { mark.index += 1 }
    mark.line += 1
    mark.column = 0
  }

  private static func isBlank(_ character: Unicode.Scalar) -> Bool { character == " " || character == "\t" }

  /// Whether it is one of YAML 1.1's line breaks.
  private static func isBreak(_ character: Unicode.Scalar) -> Bool {
    ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"].contains(character)
  }
}

extension YAMLNode.Content {
  /// What is wrong with a comment beside this value.
  package func text(of comment: String) -> String {
    let got = "got \(quoted(comment, mark: "'"))"
    switch self {
    case .scalar("", _):
      return "a comment and no value, \(got); expected quotes around a text, or null for none"
    case .sequence, .mapping: return "a comment within [ ] or { }, \(got); expected quotes around each text"
    default: return "a text without quotes ends at a comment, \(got); expected quotes around the text"
    }
  }
}
