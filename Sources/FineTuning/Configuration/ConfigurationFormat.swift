import Files
import YAML

/// How one kind of value is read from YAML and written to it.
package struct ConfigurationFormat<Value> {
  /// Reads the node into the value, which holds the default. On a fault it only adds a problem.
  let read: (_ node: YAMLNode, _ path: String, inout Value, inout ConfigurationProblems) -> Void
  /// The node of a value: `read` makes the same value of it.
  let write: (Value) -> YAMLNode
}

extension ConfigurationFormat {
  /// A map with `fields` and no other key.
  /// - later: keys that are planned, but not in this build yet.
  static func map(_ fields: [ConfigurationField<Value>], later: [String] = []) -> Self {
    let places = Dictionary(fields.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
    return Self(
      read: { node, path, value, problems in
        guard let entries = entries(of: node, path, &problems) else { return }
        for entry in entries {
          let inner = path.isEmpty ? entry.key : "\(path).\(entry.key)"
          if let place = places[entry.key] {
            fields[place].read(entry.value, inner, &value, &problems)
          } else if later.contains(entry.key) {
            problems.add(entry.origin, inner, "not supported by this build; leave it out")
          } else {
            let text = unknownKeyText(entry.key, in: path, known: fields.map(\.key))
            problems.add(entry.origin, key: inner, text: text)
          }
        }
      },
      write: { value in
        YAMLNode(.mapping(fields.map { YAMLNode.Entry(key: $0.key, value: $0.write(value)) }))
      })
  }

  /// The value or null.
  static func optional<Wrapped>(
    _ format: ConfigurationFormat<Wrapped>, placeholder: Wrapped
  ) -> ConfigurationFormat<Wrapped?> where Value == Wrapped? {
    ConfigurationFormat<Wrapped?>(
      read: { node, path, value, problems in
        if node.scalar == .null {
          value = nil
          return
        }
        var wrapped = placeholder
        var own = ConfigurationProblems(mainFile: problems.mainFile)
        format.read(node, path, &wrapped, &own)
        if own.isEmpty { value = wrapped }
        problems.append(own)
      },
      write: { $0.map(format.write) ?? .null })
  }

  /// A scalar. `value` accepts its meaning or says what it expected.
  static func scalar(
    expecting expected: String, _ value: @escaping (YAMLScalar) -> Value?,
    check: @escaping (Value) -> String? = { _ in nil }, write: @escaping (Value) -> YAMLNode
  ) -> Self {
    Self(
      read: { node, path, target, problems in
        if node.content == .unresolved { return }
        guard let found = node.scalar.flatMap(value) else {
          problems.add(
            node.origin, path, "expected \(expected), got \(node.shown)", hint: hint(node, expected))
          return
        }
        if let narrower = check(found) {
          problems.add(node.origin, path, "expected \(narrower), got \(node.shown)")
        } else {
          target = found
        }
      },
      write: write)
  }

  private static func hint(_ node: YAMLNode, _ expected: String) -> String? {
    guard case .scalar(let text, let isPlain) = node.content else { return nil }
    if isPlain, expected == "a string", node.scalar != .null { return "put quotes around it: \"\(text)\"" }
    if !isPlain, YAMLScalar(plain: text) != .string(text), expected != "a string" {
      return "take the quotes off"
    }
    return nil
  }
}

/// The entries of a map. Otherwise adds a problem and returns nil.
private func entries(
  of node: YAMLNode, _ path: String, _ problems: inout ConfigurationProblems
) -> [YAMLNode.Entry]? {
  switch node.content {
  case .mapping(let entries): return entries
  case .unresolved: return nil
  default:
    let name = path.isEmpty ? "the configuration" : path
    problems.add(node.origin, name, "expected a map, got \(node.shown)")
    return nil
  }
}

private func unknownKeyText(_ key: String, in path: String, known: [String]) -> String {
  let place = path.isEmpty ? "" : " in \(path)"
  let elsewhere = RunConfiguration.keyPaths.filter { $0.hasSuffix(".\(key)") }
  let nearest = nearestKey(to: key, in: known) ?? (elsewhere.count == 1 ? elsewhere.first : nil)
  let advice = nearest.map { "did you mean '\($0)'?" } ?? "expected \(alternatives(known))"
  return "unknown key \(quoted(key, mark: "'"))\(place); \(advice)"
}

/// The words as `a, b or c`.
func alternatives(_ words: [String]) -> String {
  guard let last = words.last, words.count > 1 else { return words.first ?? "nothing" }
  return "\(words.dropLast().joined(separator: ", ")) or \(last)"
}

extension YAMLNode {
  /// A default null.
  static var null: YAMLNode { .plain("null") }

  /// A default number, boolean or null.
  static func plain(_ text: String) -> YAMLNode { YAMLNode(.scalar(text, isPlain: true)) }

  /// A default string, safe from interpolation.
  static func string(_ text: String) -> YAMLNode {
    YAMLNode(.scalar(InterpolationPiece.escaped(text), isPlain: false))
  }
}

extension ConfigurationFormat {
  /// This format for a text that no comment may cut. It refuses a comment that may be a part of the text.
  var uncut: Self {
    Self(
      read: { node, path, value, problems in
        let isNull = node.scalar == .null && node.content != .scalar("", isPlain: true)
        guard let comment = node.comment, !isNull else { return read(node, path, &value, &problems) }
        problems.add(comment.origin, path, node.content.text(of: comment.text))
      },
      write: write)
  }
}
