import CYAML
import Files

/// What is wrong with a YAML text, and where (counted from 1).
package struct YAMLProblem: Error, Equatable, Sendable {
  package let line: Int
  package let column: Int
  package let text: String

  package init(line: Int, column: Int, _ text: String) {
    self.line = line
    self.column = column
    self.text = text
  }

  package init(_ event: YAMLEvents.Event, _ text: String) {
    self.init(line: event.line, column: event.column, text)
  }
}

/// libyaml's stream of events over bytes that it keeps.
package final class YAMLEvents {
  /// One event, copied out of libyaml's memory.
  package struct Event {
    package enum Kind {
      case documentStart, sequenceStart, sequenceEnd, mappingStart, mappingEnd, streamEnd
      case alias(String)
      case scalar(String, isPlain: Bool)
      /// Start of the stream or end of a document. It needs no action.
      case other
    }
    package var kind: Kind
    /// Where the event's text begins and ends.
    var start: YAMLMark, end: YAMLMark
    /// Whether it is a list in [ ] or a map in { }.
    var isFlow = false
    /// Whether it is an explicit `---` or `...`.
    var isDocumentMark = false
    package var anchor: String?
    package var tag: String?

    /// Counted from 1.
    package var line: Int { start.line + 1 }
    package var column: Int { start.column + 1 }
  }

  /// The comments between the events.
  let comments: YAMLComments
  // Both stay at one address: libyaml keeps pointers to the parser and to the text.
  private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
  private let text: UnsafeMutableBufferPointer<UInt8>
  private let isInitialized: Bool

  /// Begins to parse `bytes`. A byte order mark at the start is skipped: libyaml would take it for an
  /// indentation of the first line.
  ///
  /// Throws on more than `YAMLLimits.bytes` and on bytes that are not UTF-8.
  package init(_ bytes: [UInt8]) throws(YAMLProblem) {
    let read = bytes.starts(with: "\u{FEFF}".utf8) ? bytes.dropFirst(3) : bytes[...]
    comments = YAMLComments(read.count <= YAMLLimits.bytes ? read : [])
    text = .allocate(capacity: read.count)
    _ = text.initialize(from: read)
    parser.initialize(to: yaml_parser_t())
    isInitialized = yaml_parser_initialize(parser) == 1
    guard isInitialized else { throw YAMLProblem(line: 1, column: 1, "no memory left to parse it") }
    guard bytes.count <= YAMLLimits.bytes else {
      throw YAMLProblem(
        line: 1, column: 1, "the text has \(bytes.count) bytes; expected at most \(YAMLLimits.bytes)")
    }
    if let invalid = firstInvalidUTF8(in: UnsafeRawBufferPointer(text)) {
      let (line, column) = position(ofByte: invalid)
      throw YAMLProblem(line: line, column: column, "bytes that are not UTF-8")
    }
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    yaml_parser_set_input_string(parser, text.baseAddress, text.count)
  }

  deinit {
    if isInitialized { yaml_parser_delete(parser) }
    parser.deallocate()
    text.deallocate()
  }

  /// The next event. Throws libyaml's complaint in this program's words.
  package func next() throws(YAMLProblem) -> Event {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else { throw problem() }
    defer { yaml_event_delete(&event) }
    var copy = Event(kind: .other, start: YAMLMark(event.start_mark), end: YAMLMark(event.end_mark))
    switch event.type {
    case YAML_STREAM_END_EVENT: copy.kind = .streamEnd
    case YAML_DOCUMENT_START_EVENT:
      copy.kind = .documentStart
      copy.isDocumentMark = event.data.document_start.implicit == 0
    case YAML_DOCUMENT_END_EVENT: copy.isDocumentMark = event.data.document_end.implicit == 0
    case YAML_SEQUENCE_END_EVENT: copy.kind = .sequenceEnd
    case YAML_MAPPING_END_EVENT: copy.kind = .mappingEnd
    case YAML_ALIAS_EVENT: copy.kind = .alias(string(event.data.alias.anchor) ?? "")
    case YAML_SEQUENCE_START_EVENT:
      copy.kind = .sequenceStart
      copy.isFlow = event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE
      copy.anchor = string(event.data.sequence_start.anchor)
      copy.tag = string(event.data.sequence_start.tag)
    case YAML_MAPPING_START_EVENT:
      copy.kind = .mappingStart
      copy.isFlow = event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
      copy.anchor = string(event.data.mapping_start.anchor)
      copy.tag = string(event.data.mapping_start.tag)
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      let value = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
      guard let text = String(validating: value, as: UTF8.self) else {
        throw YAMLProblem(copy, "a text that is not UTF-8")
      }
      copy.kind = .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
      copy.anchor = string(scalar.anchor)
      copy.tag = string(scalar.tag)
    default: break
    }
    return copy
  }

  private func string(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
    pointer.map { String(cString: $0) }
  }
}

extension YAMLMark {
  fileprivate init(_ mark: yaml_mark_t) {
    self.init(index: mark.index, line: mark.line, column: mark.column)
  }
}

extension YAMLEvents {
  /// libyaml's last complaint, in this program's words where its own say too little.
  private func problem() -> YAMLProblem {
    let complaint = parser.pointee.problem.map { String(cString: $0) } ?? "cannot be parsed"
    if parser.pointee.error == YAML_READER_ERROR {
      let (line, column) = position(ofByte: parser.pointee.problem_offset)
      let digits = String(parser.pointee.problem_value, radix: 16, uppercase: true)
      let code = "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
      return YAMLProblem(line: line, column: column, "the control character \(code); expected none")
    }
    let mark = parser.pointee.problem_mark
    let (line, column) = (Int(mark.line) + 1, Int(mark.column) + 1)
    let source = characters(ofLine: mark.line)
    let found = source.indices.contains(Int(mark.column)) ? source[Int(mark.column)] : nil
    if found == "{", column >= 2, source[column - 2] == "$" {
      return YAMLProblem(
        line: line, column: column - 1, "'${...}' inside [ ] or { } must be quoted; quote it")
    }
    guard complaint == "found character that cannot start any token", let found else {
      return YAMLProblem(line: line, column: column, "not YAML: \(complaint)")
    }
    if found == "\t" { return YAMLProblem(line: line, column: column, "a tab; indent with blanks") }
    return YAMLProblem(
      line: line, column: column,
      "not YAML: a value cannot begin with \(quoted(String(found), mark: "'")); quote it")
  }

  private func characters(ofLine line: Int) -> [Unicode.Scalar] {
    let lines = text.split(separator: 0x0A, maxSplits: line + 1, omittingEmptySubsequences: false)
    guard lines.indices.contains(line) else { return [] }
    return String(validating: lines[line], as: UTF8.self).map { Array($0.unicodeScalars) } ?? []
  }

  private func position(ofByte offset: Int) -> (line: Int, column: Int) {
    let before = text.prefix(max(0, offset))
    let start = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    let characters = before[start...].count { $0 & 0xC0 != 0x80 }
    return (before.count { $0 == 0x0A } + 1, characters + 1)
  }
}
