import Files

/// A question of the user's own: answered and shown in the report, never scored.
struct Probe: Equatable, Sendable {
  /// The question.
  var question: String
  /// Where it stands in the file, from 1.
  var line: Int

  /// The probes of a JSONL file: an object with `question` on each line.
  /// - Throws: `Fault` naming `path:line`.
  static func load(_ path: String) throws -> [Probe] {
    let probes = try lines(of: try readFile(path, limit: 1 << 24)).map { line in
      let value = try JSONValue(parsing: Array(line.bytes), file: path, line: line.number)
      guard let question = value.objectValue?["question"]?.stringValue, !question.isEmpty else {
        throw Fault(
          .badData, file: path, line: line.number, "not a probe; expected an object with a text 'question'")
      }
      return Probe(question: question, line: line.number)
    }
    guard !probes.isEmpty else { throw Fault(.badData, file: path, "holds no probe") }
    return probes
  }

  /// The line of `probes.jsonl` that holds a probe and its answer.
  func json(_ answer: ModelAnswer) -> JSONValue {
    .object([
      "question": .string(question), "completion": .string(answer.completion),
      "stop": .string(answer.stop.rawValue), "tokens": .int(answer.tokenCount),
    ])
  }
}
