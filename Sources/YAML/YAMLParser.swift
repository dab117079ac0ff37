import Files

/// Reads YAML text into a tree through libyaml's events.
///
/// Anchors, aliases, tags, merge keys and second documents are refused by name, so nothing can grow beyond
/// the size of its text.
package struct YAMLParser {
  /// Makes the origin of a value from its line and column.
  private let origin: (_ line: Int, _ column: Int) -> YAMLOrigin
  private let events: YAMLEvents
  private let isArgument: Bool
  private var nodes = 0
  private var document = YAMLDocument()
  /// The end of the event before the current one, and of the current one.
  private var gapStart = YAMLMark(), lastEnd = YAMLMark()
  /// The keys down to the current value, and the number of lists and maps in brackets around it.
  private var path: [String] = [], brackets = 0
  /// The comment that is the likely cause of libyaml's next complaint.
  private var suspect: (problem: YAMLProblem, indent: Int)?

  private init(
    _ bytes: [UInt8], isArgument: Bool, origin: @escaping (Int, Int) -> YAMLOrigin
  ) throws(YAMLProblem) {
    self.origin = origin
    self.isArgument = isArgument
    events = try YAMLEvents(bytes)
  }

  /// The tree of `bytes`. `origin` makes its origins from lines and columns counted from 1.
  /// Throws the first problem that leaves the tree in doubt.
  package static func parse(
    _ bytes: [UInt8], origin: @escaping (Int, Int) -> YAMLOrigin
  ) throws(YAMLProblem) -> YAMLDocument {
    var parser = try YAMLParser(bytes, isArgument: false, origin: origin)
    return try parser.parseStream()
  }

  /// The tree of `argument`, a value on the command line. All of it counts, so `#` is an ordinary character,
  /// and there are no documents.
  package static func parse(argument: String) throws(YAMLProblem) -> YAMLDocument {
    let standIns = StandIns(for: ["#", "\u{FEFF}"], in: argument)
    do {
      let bytes = Array(standIns.replacing(argument).utf8)
      var parser = try YAMLParser(bytes, isArgument: true) { _, _ in .commandLine }
      var document = try parser.parseStream()
      document.root = document.root.map(standIns.restoring)
      document.problems = document.problems.map { ($0.origin, standIns.restoring($0.text)) }
      return document
    } catch {
      let isTrailing = error.text.hasSuffix("did not find expected <document start>")
      let text = isTrailing ? "not YAML: more text after the value; put quotes around all of it" : error.text
      throw YAMLProblem(line: error.line, column: error.column, standIns.restoring(text))
    }
  }

  private mutating func parseStream() throws(YAMLProblem) -> YAMLDocument {
    while true {
      let event = try next()
      if isArgument, event.isDocumentMark {
        throw YAMLProblem(event, "'---' or '...' marks a document; put quotes around the text")
      }
      switch event.kind {
      case .streamEnd: return document
      case .documentStart where document.root != nil:
        throw YAMLProblem(event, "a second document is not supported; expected one")
      case .scalar, .sequenceStart, .mappingStart, .alias:
        document.root = try node(from: event, depth: 1, indent: -1)
      default: break
      }
    }
  }

  private mutating func next() throws(YAMLProblem) -> YAMLEvents.Event {
    do {
      let event = try events.next()
      (gapStart, lastEnd) = (lastEnd, event.end)
      if brackets == 0 { suspect = nil }
      return event
    } catch {
      throw cause(of: error)
    }
  }

  /// The true cause of libyaml's problem. Where the rest of a text was taken for a comment, libyaml stumbles
  /// over what follows, and the comment is the cause.
  private func cause(of problem: YAMLProblem) -> YAMLProblem {
    if let suspect, brackets > 0 || goesOn(problem, deeperThan: suspect.indent) { return suspect.problem }
    if brackets > 0, let comment = events.comments.onTheLine(of: lastEnd) {
      return self.problem(comment, beside: .sequence([]))
    }
    return problem
  }

  /// Whether the problem is a line that would continue a text.
  private func goesOn(_ problem: YAMLProblem, deeperThan indent: Int) -> Bool {
    problem.column - 1 > indent && !problem.text.contains("mapping values")
  }

  private func problem(_ comment: YAMLComments.Found, beside content: YAMLNode.Content) -> YAMLProblem {
    YAMLProblem(
      line: comment.mark.line + 1, column: comment.mark.column + 1,
      (path.isEmpty ? "" : "\(path.joined(separator: ".")): ") + content.text(of: comment.text))
  }

  /// - indent: the column, from 0, of the key or hyphen that the value belongs to; -1 within [ ] and { }.
  private mutating func node(
    from event: YAMLEvents.Event, depth: Int, indent: Int
  ) throws(YAMLProblem) -> YAMLNode {
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
      let content = YAMLNode.Content.scalar(text, isPlain: isPlain)
      let comment = isPlain ? comment(beside: event, isEmpty: text.isEmpty, indent: indent) : nil
      if let comment, [.string(text), .null].contains(YAMLScalar(plain: text)) {
        suspect = (problem(comment, beside: content), indent)
      }
      return YAMLNode(content, origin: place, comment: comment.map(noted))
    }
    guard depth <= YAMLLimits.depth else {
      throw YAMLProblem(event, "lists and maps nested deeper than \(YAMLLimits.depth)")
    }
    var collection = YAMLNode(.unresolved, origin: place)
    brackets += event.isFlow ? 1 : 0
    defer {
      brackets -= event.isFlow ? 1 : 0
      if brackets == 0 { suspect = nil }
    }
    if case .sequenceStart = event.kind {
      try readElements(of: &collection, event, depth)
    } else {
      try readEntries(of: &collection, event, depth)
    }
    return collection
  }

  private mutating func readElements(
    of list: inout YAMLNode, _ start: YAMLEvents.Event, _ depth: Int
  ) throws(YAMLProblem) {
    var elements: [YAMLNode] = []
    while true {
      let event = try next()
      if start.isFlow { list.comment = list.comment ?? commentAtThePlaceOfText(before: event) }
      if case .sequenceEnd = event.kind { break }
      let indent = start.isFlow ? -1 : start.start.column
      elements.append(try node(from: event, depth: depth + 1, indent: indent))
    }
    list.content = .sequence(elements)
  }

  private mutating func readEntries(
    of map: inout YAMLNode, _ start: YAMLEvents.Event, _ depth: Int
  ) throws(YAMLProblem) {
    var entries: [YAMLNode.Entry] = []
    var lines: [String: Int] = [:]
    while true {
      let event = try next()
      if start.isFlow { map.comment = map.comment ?? commentAtThePlaceOfText(before: event) }
      if case .mappingEnd = event.kind { break }
      let key = try key(from: event)
      let indent = start.isFlow ? -1 : start.start.column
      path.append(key)
      let value = try node(from: try next(), depth: depth + 1, indent: indent)
      path.removeLast()
      if let line = lines[key] {
        let text = "key \(quoted(key, mark: "'")) is given twice; first on line \(line)"
        document.problems.append((origin(event.line, event.column), text))
      } else {
        lines[key] = event.line
        entries.append(.init(key: key, origin: origin(event.line, event.column), value: value))
      }
    }
    map.content = .mapping(entries)
  }

  private mutating func key(from event: YAMLEvents.Event) throws(YAMLProblem) -> String {
    switch event.kind {
    case .sequenceStart, .mappingStart:
      throw YAMLProblem(event, "a key that is a list or a map; expected a name")
    default: break
    }
    guard case .scalar(let key, let isPlain) = try node(from: event, depth: 1, indent: -1).content else {
      return ""
    }
    if key == "<<", isPlain { throw YAMLProblem(event, "merge key '<<' is not supported; use extends") }
    return key
  }

  /// A comment that cuts the unquoted scalar `event` short, or stands in its place.
  private func comment(
    beside event: YAMLEvents.Event, isEmpty: Bool, indent: Int
  ) -> YAMLComments.Found? {
    if let comment = events.comments.following(event.end, deeperThan: indent) { return comment }
    let before = events.comments.between(gapStart, event.start.index)
    return before.first { isEmpty || !$0.isPlainlyAComment || (indent >= 0 && !$0.isAlone) }
  }

  /// A comment before `event` in [ ] or { } that may be a text: `[####]`.
  private mutating func commentAtThePlaceOfText(before event: YAMLEvents.Event) -> YAMLComment? {
    let comments = events.comments.between(gapStart, event.start.index)
    if let comment = comments.first(where: { !$0.isPlainlyAComment || $0.hidesAnEnd }), suspect == nil {
      suspect = (problem(comment, beside: .sequence([])), -1)
    }
    return comments.first { !$0.isPlainlyAComment }.map(noted)
  }

  private func noted(_ comment: YAMLComments.Found) -> YAMLComment {
    YAMLComment(origin: origin(comment.mark.line + 1, comment.mark.column + 1), text: comment.text)
  }

  private func refuse(_ event: YAMLEvents.Event) throws(YAMLProblem) {
    if case .alias(let name) = event.kind {
      throw YAMLProblem(event, "alias \(quoted("*" + name, mark: "'")) is not supported; write the value out")
    }
    if let anchor = event.anchor {
      throw YAMLProblem(event, "anchor \(quoted("&" + anchor, mark: "'")) is not supported; leave it out")
    }
    if let tag = event.tag {
      let common = "tag:yaml.org,2002:"
      let written = tag.hasPrefix(common) ? "!!" + tag.dropFirst(common.count) : tag
      throw YAMLProblem(event, "tag \(quoted(written, mark: "'")) is not supported; leave it out")
    }
  }
}
