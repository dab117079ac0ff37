/// A parsed file, and the problems that did not stop the parsing.
package struct YAMLDocument {
  /// nil when the text holds no value at all.
  package var root: YAMLNode?
  /// Keys given twice, each with its origin and message.
  package var problems: [(origin: YAMLOrigin, text: String)] = []
}

/// Limits on what a configuration may hold; a configuration needs a hundredth of them.
package enum YAMLLimits {
  package static let bytes = 1 << 20
  package static let depth = 32
  package static let nodes = 10_000
  package static let scalarBytes = 64 << 10
}

/// Reads YAML text into a tree through libyaml's events.
///
/// Anchors, aliases, tags, merge keys and second documents are refused by name, so nothing can grow beyond
/// its text.
package struct YAMLParser {
  /// Makes the origin of what stands at a line and a column.
  private let origin: (_ line: Int, _ column: Int) -> YAMLOrigin
  private let events: YAMLEvents
  private var nodes = 0
  private var document = YAMLDocument()

  private init(_ bytes: [UInt8], origin: @escaping (Int, Int) -> YAMLOrigin) throws(YAMLProblem) {
    self.origin = origin
    events = try YAMLEvents(bytes)
  }

  /// The tree of `bytes`, whose origins `origin` makes from lines and columns counted from 1.
  /// Throws the first problem that leaves the tree in doubt.
  package static func parse(
    _ bytes: [UInt8], origin: @escaping (Int, Int) -> YAMLOrigin
  ) throws(YAMLProblem) -> YAMLDocument {
    var parser = try YAMLParser(bytes, origin: origin)
    return try parser.parseStream()
  }

  private mutating func parseStream() throws(YAMLProblem) -> YAMLDocument {
    while true {
      let event = try events.next()
      switch event.kind {
      case .streamEnd: return document
      case .documentStart where document.root != nil:
        throw YAMLProblem(event, "a second document is not supported; expected one")
      case .scalar, .sequenceStart, .mappingStart, .alias: document.root = try node(from: event, depth: 1)
      default: break
      }
    }
  }

  private mutating func node(from event: YAMLEvents.Event, depth: Int) throws(YAMLProblem) -> YAMLNode {
    try refuse(event)
    nodes += 1
    guard nodes <= YAMLLimits.nodes else {
      throw YAMLProblem(event, "more than \(YAMLLimits.nodes) values; expected a configuration")
    }
    let place = origin(event.line, event.column)
    if case .scalar(let text, let isPlain) = event.kind {
      guard text.utf8.count <= YAMLLimits.scalarBytes else {
        throw YAMLProblem(
          event, "a text of \(text.utf8.count) bytes; expected at most \(YAMLLimits.scalarBytes)")
      }
      guard !text.unicodeScalars.contains("\0") else {
        throw YAMLProblem(event, "a text with the character NUL in it; expected none")
      }
      return YAMLNode(.scalar(text, isPlain: isPlain), origin: place)
    }
    guard depth <= YAMLLimits.depth else {
      throw YAMLProblem(event, "lists and maps nested deeper than \(YAMLLimits.depth)")
    }
    if case .sequenceStart = event.kind { return YAMLNode(.sequence(try elements(depth)), origin: place) }
    return YAMLNode(.mapping(try entries(depth)), origin: place)
  }

  private mutating func elements(_ depth: Int) throws(YAMLProblem) -> [YAMLNode] {
    var elements: [YAMLNode] = []
    while true {
      let event = try events.next()
      if case .sequenceEnd = event.kind { return elements }
      elements.append(try node(from: event, depth: depth + 1))
    }
  }

  private mutating func entries(_ depth: Int) throws(YAMLProblem) -> [YAMLNode.Entry] {
    var entries: [YAMLNode.Entry] = []
    var lines: [String: Int] = [:]
    while true {
      let event = try events.next()
      if case .mappingEnd = event.kind { return entries }
      let key = try key(from: event)
      let value = try node(from: try events.next(), depth: depth + 1)
      if let line = lines[key] {
        let text = "key \(quotedForMessage(key)) is given twice; first on line \(line)"
        document.problems.append((origin(event.line, event.column), text))
      } else {
        lines[key] = event.line
        entries.append(.init(key: key, origin: origin(event.line, event.column), value: value))
      }
    }
  }

  private mutating func key(from event: YAMLEvents.Event) throws(YAMLProblem) -> String {
    switch event.kind {
    case .sequenceStart, .mappingStart:
      throw YAMLProblem(event, "a key that is a list or a map; expected a name")
    default: break
    }
    guard case .scalar(let key, let isPlain) = try node(from: event, depth: 1).content else { return "" }
    if key == "<<", isPlain { throw YAMLProblem(event, "merge key '<<' is not supported; use extends") }
    return key
  }

  private func refuse(_ event: YAMLEvents.Event) throws(YAMLProblem) {
    if case .alias(let name) = event.kind {
      throw YAMLProblem(event, "alias \(quotedForMessage("*" + name)) is not supported; write the value out")
    }
    if let anchor = event.anchor {
      throw YAMLProblem(event, "anchor \(quotedForMessage("&" + anchor)) is not supported; leave it out")
    }
    if let tag = event.tag {
      let common = "tag:yaml.org,2002:"
      let written = tag.hasPrefix(common) ? "!!" + tag.dropFirst(common.count) : tag
      throw YAMLProblem(event, "tag \(quotedForMessage(written)) is not supported; leave it out")
    }
  }
}
