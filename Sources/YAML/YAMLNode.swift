import Files

/// A YAML value and where it was written.
package struct YAMLNode: Equatable, Sendable {
  /// The value itself.
  package enum Content: Equatable, Sendable {
    /// The text of a scalar. Only a plain one (not quoted, no block) can be a null, a boolean or a number.
    case scalar(String, isPlain: Bool)
    case sequence([YAMLNode])
    /// Entries in the order written, no key twice.
    case mapping([Entry])
    /// A value that could not be worked out and has been reported.
    case unresolved
  }

  /// A key, where it stands, and its value.
  package struct Entry: Equatable, Sendable {
    package var key: String
    package var origin: YAMLOrigin
    package var value: YAMLNode

    package init(key: String, origin: YAMLOrigin = .defaults, value: YAMLNode) {
      self.key = key
      self.origin = origin
      self.value = value
    }
  }

  package var content: Content
  package var origin: YAMLOrigin
  /// A comment that cuts the value short if the value is a text.
  package var comment: YAMLComment?

  package init(_ content: Content, origin: YAMLOrigin = .defaults, comment: YAMLComment? = nil) {
    self.content = content
    self.origin = origin
    self.comment = comment
  }

  /// What YAML 1.1 readers take the scalar for; nil for a list, a map or an unresolved value.
  package var scalar: YAMLScalar? {
    guard case .scalar(let text, let isPlain) = content else { return nil }
    return isPlain ? YAMLScalar(plain: text) : .string(text)
  }

  /// The value at `keys`. Each key leads one map deeper.
  package func value(at keys: some Sequence<String>) -> YAMLNode? {
    var node = self
    for key in keys {
      guard case .mapping(let entries) = node.content, let entry = entries.first(where: { $0.key == key })
      else { return nil }
      node = entry.value
    }
    return node
  }

  /// Merges maps key by key, deeply. Any other value of `other` replaces the value here.
  package func merged(with other: YAMLNode) -> YAMLNode {
    guard case .mapping(var entries) = content, case .mapping(let others) = other.content else {
      return other
    }
    var places: [String: Int] = [:]
    for (place, entry) in entries.enumerated() { places[entry.key] = place }
    for entry in others {
      if let place = places[entry.key] {
        entries[place].value = entries[place].value.merged(with: entry.value)
        entries[place].origin = entry.origin
      } else {
        entries.append(entry)
      }
    }
    return YAMLNode(.mapping(entries), origin: other.origin, comment: other.comment ?? comment)
  }

  /// The dotted paths of all values, maps included.
  package var keyPaths: [String] {
    guard case .mapping(let entries) = content else { return [] }
    return entries.flatMap { entry in [entry.key] + entry.value.keyPaths.map { "\(entry.key).\($0)" } }
  }

  /// The value as a message shows it: `'abc'`, `0.5`, `null`, `a list`.
  package var shown: String {
    switch content {
    case .scalar(let text, let isPlain):
      switch scalar {
      case .null: "null"
      case .boolean, .integer, .unsigned, .float: text
      default: isPlain ? quoted(text, mark: "'") : "the string \(quoted(text, mark: "'"))"
      }
    case .sequence: "a list"
    case .mapping: "a map"
    case .unresolved: "nothing"
    }
  }
}
