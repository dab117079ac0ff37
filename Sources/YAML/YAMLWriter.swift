/// Writes a tree as YAML text that `YAMLParser` and other YAML 1.1 readers read back as the same tree.
package enum YAMLWriter {
  /// `node`, a map, as block YAML: one key a line, lists in brackets, a final line feed.
  package static func text(_ node: YAMLNode) -> String {
    lines(node, indent: "").joined(separator: "\n") + "\n"
  }

  private static func lines(_ node: YAMLNode, indent: String) -> [String] {
    guard case .mapping(let entries) = node.content else { return [indent + inline(node)] }
    return entries.flatMap { entry in
      if case .mapping(let inner) = entry.value.content, !inner.isEmpty {
        return [indent + scalar(entry.key, isPlain: false) + ":"] + lines(entry.value, indent: indent + "  ")
      }
      return ["\(indent)\(scalar(entry.key, isPlain: false)): \(inline(entry.value))"]
    }
  }

  private static func inline(_ node: YAMLNode) -> String {
    switch node.content {
    case .scalar(let text, let isPlain): scalar(text, isPlain: isPlain)
    case .sequence(let elements): "[\(elements.map(inline).joined(separator: ", "))]"
    case .mapping(let entries):
      "{\(entries.map { "\(scalar($0.key, isPlain: false)): \(inline($0.value))" }.joined(separator: ", "))}"
    case .unresolved: "null"
    }
  }

  /// The text of a scalar; a plain one is unchanged. Only a string that nothing could misread has no quotes.
  private static func scalar(_ text: String, isPlain: Bool) -> String {
    if isPlain { return text }
    let bytes = text.utf8
    let isSafe =
      bytes.allSatisfy { isLetterOrDigit($0) || "_-./".utf8.contains($0) }
      && bytes.first.map { isLetterOrDigit($0) || $0 == UInt8(ascii: "/") } == true
      && YAMLScalar(plain: text) == .string(text) && !looksLikeDate(text)
    return isSafe ? text : "\"\(text.unicodeScalars.map(escaped).joined())\""
  }

  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\"": return "\\\""
    case "\\": return "\\\\"
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    default: break
    }
    switch scalar.value {
    case 0x20...0x7E, 0xA1...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD, 0x1_0000...:
      // YAML takes the line and paragraph separators for line breaks.
      if scalar != "\u{2028}", scalar != "\u{2029}" { return String(scalar) }
    default: break
    }
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
  }

  /// Whether it is digits and hyphens alone, which YAML 1.1 may take for a date.
  private static func looksLikeDate(_ text: String) -> Bool {
    text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") }
  }
}
