import Files
import YAML

/// Replaces `${section.key}` by the value of that key, throughout a merged configuration.
///
/// A reference that is the whole value keeps its type, lists included. Within a longer text it is inserted as
/// text. `\${` stands for the text `${`, and before it `\\` stands for a backslash.
package struct Interpolator {
  private let root: YAMLNode
  private let known: [String]
  private var problems: ConfigurationProblems
  private var resolvedScalars: [String: YAMLNode] = [:]
  /// The paths being resolved, the outermost first.
  private var active: [String] = []
  private var visited = 0
  private var bytes = 0

  private static let maximumDepth = 32
  private static let maximumValues = 200_000

  private init(_ root: YAMLNode, known: [String], _ problems: ConfigurationProblems) {
    self.root = root
    self.known = known
    self.problems = problems
  }

  /// `root` with every reference replaced. One that cannot be becomes `.unresolved`, with a problem.
  /// - known: the dotted paths that a wrong reference may have meant.
  package static func resolve(
    _ root: YAMLNode, known: [String], _ problems: inout ConfigurationProblems
  ) -> YAMLNode {
    var interpolator = Interpolator(root, known: known, problems)
    let resolved = interpolator.resolved(root, at: "")
    problems = interpolator.problems
    return resolved
  }

  private mutating func resolved(_ node: YAMLNode, at path: String) -> YAMLNode {
    visited += 1
    if visited == Self.maximumValues + 1 {
      return failed(node, path, "references expand to more than \(Self.maximumValues) values")
    }
    guard visited <= Self.maximumValues else { return YAMLNode(.unresolved, origin: node.origin) }
    switch node.content {
    case .unresolved: return node
    case .scalar(let text, _):
      return InterpolationPiece.mayRefer(text) ? resolvedScalar(text, node, at: path) : node
    case .sequence(let elements):
      let resolved = elements.enumerated().map { self.resolved($1, at: "\(path)[\($0)]") }
      return YAMLNode(.sequence(resolved), origin: node.origin, comment: node.comment)
    case .mapping(var entries):
      for place in entries.indices {
        let key = entries[place].key
        entries[place].value = resolved(entries[place].value, at: path.isEmpty ? key : "\(path).\(key)")
      }
      return YAMLNode(.mapping(entries), origin: node.origin, comment: node.comment)
    }
  }

  private mutating func resolvedScalar(_ text: String, _ node: YAMLNode, at path: String) -> YAMLNode {
    if let known = resolvedScalars[path] { return known }
    if let start = active.firstIndex(of: path) {
      let circle = (active[start...] + [path]).joined(separator: " -> ")
      return failed(node, path, "refers back to itself: \(circle)")
    }
    guard active.count < Self.maximumDepth else {
      return failed(node, path, "references go on for more than \(Self.maximumDepth) keys")
    }
    active.append(path)
    let value = value(of: text, node, at: path)
    active.removeLast()
    resolvedScalars[path] = value
    return value
  }

  private mutating func value(of text: String, _ node: YAMLNode, at path: String) -> YAMLNode {
    guard let pieces = InterpolationPiece.pieces(of: text) else {
      return failed(node, path, "a '${' without its '}'", hint: "write \\${ for the text itself")
    }
    if pieces.count == 1, case .reference(let target) = pieces[0] {
      guard var value = referenced(target, from: node, at: path) else {
        return YAMLNode(.unresolved, origin: node.origin)
      }
      value.origin = node.origin
      value.comment = node.comment
      return value
    }
    var joined = ""
    for piece in pieces {
      switch piece {
      case .text(let literal): joined += literal
      case .reference(let target):
        guard let value = referenced(target, from: node, at: path) else {
          return YAMLNode(.unresolved, origin: node.origin)
        }
        guard case .scalar(let part, _) = value.content, value.scalar != .null else {
          return failed(
            node, path, "${\(target)} is \(value.shown); expected a text or a number within a text")
        }
        joined += part
      }
      guard joined.utf8.count <= YAMLLimits.scalarBytes else {
        return failed(node, path, "references make a text of more than \(YAMLLimits.scalarBytes) bytes")
      }
    }
    bytes += joined.utf8.count
    guard bytes <= YAMLLimits.bytes else {
      return failed(node, path, "references make more than \(YAMLLimits.bytes) bytes of text")
    }
    return YAMLNode(.scalar(joined, isPlain: false), origin: node.origin, comment: node.comment)
  }

  private mutating func referenced(_ target: String, from node: YAMLNode, at path: String) -> YAMLNode? {
    guard let found = root.value(at: parts(of: target, at: ".")) else {
      let nearest = nearestKey(to: target, in: known)
      let advice = nearest.map { "; did you mean '\($0)'?" } ?? "; expected a key such as ${run.name}"
      _ = failed(node, path, "\(quoted("${\(target)}", mark: "'")) names an unknown key\(advice)")
      return nil
    }
    if case .mapping = found.content {
      _ = failed(node, path, "${\(target)} is a map; expected a text, a number or a list")
      return nil
    }
    let value = resolved(found, at: target)
    guard case .sequence(let elements) = value.content else {
      return value.content == .unresolved ? nil : value
    }
    // A list within a list would let a few lines stand for any number of values.
    if path.hasSuffix("]") {
      _ = failed(node, path, "${\(target)} is a list; expected a text or a number in a list")
      return nil
    }
    return elements.contains { $0.content == .unresolved } ? nil : value
  }

  private mutating func failed(
    _ node: YAMLNode, _ path: String, _ text: String, hint: String? = nil
  ) -> YAMLNode {
    problems.add(node.origin, path, text, hint: hint)
    return YAMLNode(.unresolved, origin: node.origin)
  }
}

/// A stretch of a scalar's text.
package enum InterpolationPiece: Equatable, Sendable {
  case text(String)
  /// The dotted path between `${` and `}`.
  case reference(String)

  /// The pieces of `text`, without the backslashes before `${`; nil when a `}` is missing.
  package static func pieces(of text: String) -> [InterpolationPiece]? {
    var pieces: [InterpolationPiece] = []
    var literal: [UInt8] = []
    var rest = Array(text.utf8)[...]
    func flush() {
      if !literal.isEmpty { pieces.append(.text(String(decoding: literal, as: UTF8.self))) }
      literal = []
    }
    while let start = firstDollarBrace(rest) {
      let before = rest[..<start]
      let backslashes = before.reversed().prefix { $0 == UInt8(ascii: "\\") }.count
      literal += before.dropLast(backslashes - backslashes / 2)
      rest = rest[(start + 2)...]
      if backslashes % 2 == 1 {
        literal += "${".utf8
        continue
      }
      guard let end = rest.firstIndex(of: UInt8(ascii: "}")) else { return nil }
      flush()
      pieces.append(.reference(String(decoding: rest[..<end], as: UTF8.self)))
      rest = rest[(end + 1)...]
    }
    literal += rest
    flush()
    return pieces
  }

  /// `text`, escaped so that `pieces(of:)` returns it as one piece.
  package static func escaped(_ text: String) -> String {
    var escaped: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let start = firstDollarBrace(rest) {
      let before = rest[..<start]
      let backslashes = before.reversed().prefix { $0 == UInt8(ascii: "\\") }.count
      escaped += before + Array(repeating: UInt8(ascii: "\\"), count: backslashes + 1) + Array("${".utf8)
      rest = rest[(start + 2)...]
    }
    return String(decoding: escaped + rest, as: UTF8.self)
  }

  /// Whether `text` holds a `${`, escaped or not.
  package static func mayRefer(_ text: String) -> Bool {
    firstDollarBrace(Array(text.utf8)[...]) != nil
  }

  private static func firstDollarBrace(_ bytes: ArraySlice<UInt8>) -> Int? {
    bytes.indices.dropLast().first { bytes[$0] == UInt8(ascii: "$") && bytes[$0 + 1] == UInt8(ascii: "{") }
  }
}
