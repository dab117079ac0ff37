import Files

/// A question of the user's own: answered and shown in the report, never scored.
struct Probe: Equatable, Sendable {
  /// The question.
  var question: String
  /// Its line in the file, from 1.
  var line: Int

  /// The probes of a JSONL file: an object with `question` on each line.
  /// - Throws: `Fault` naming `path:line`.
  static func load(_ path: String) throws -> [Probe] {
    let key = JSONKey<String>(
      "question", expected: "a question",
      read: { value in value.stringValue.flatMap { $0.isEmpty ? nil : $0 } }, write: { .string($0) })
    let probes = try JSONFields.lines(of: path, limit: 1 << 24).map { line in
      Probe(question: try line.read(key), line: line.line ?? 0)
    }
    guard !probes.isEmpty else { throw Fault(.badData, file: path, "holds no probe") }
    return probes
  }
}
