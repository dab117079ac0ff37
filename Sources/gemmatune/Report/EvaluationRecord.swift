import Files
import GSM8K

/// One line of a run's `evaluation/predictions.jsonl`.
package struct AnswerRecord: Equatable, Sendable {
  /// Index in the reference file, from 0.
  package var id: Int
  package var question: String, reference: String, completion: String
  /// What the strict definition took for the answer.
  package var extracted: String?
  /// Right by the strict, the flexible and OpenAI's definition; the last is nil where the file does not say.
  package var correct: Bool, correctFlexible: Bool, correctOpenAI: Bool?
  package var tokens: Int
  /// Why it may be wrong; nil where the file does not say.
  package var tags: [String]?

  /// Whether the definitions differ about it.
  package var definitionsDisagree: Bool { correct != correctFlexible || correct != correctOpenAI ?? correct }
}

/// An answer to a question of the user's own, from `evaluation/probes.jsonl`.
package struct ProbeRecord: Equatable, Sendable {
  package var question: String, completion: String
}

/// The evaluation in a run's folder.
package struct EvaluationRecord: Equatable, Sendable {
  /// In the file's order.
  package var answers: [AnswerRecord]
  package var probes: [ProbeRecord]
  /// The file that the questions came from; nil where the summary does not say.
  package var references: String?
  package var promptHash: String?
  /// Generated tokens a second.
  package var tokensPerSecond: Double?
  /// What computed; nil where the summary does not say.
  package var kernels: String?
  /// What it was made with; nil where the summary does not say: the run's configuration need not be what was in force.
  package var settings: EvaluationSettings?
  /// The base model's folder, where it was another than the adapter was trained on.
  package var otherBase: String?

  /// Number of answers, and of the right ones by each definition.
  package var count: Int { answers.count }
  package var correct: Int { answers.count { $0.correct } }
  package var correctFlexible: Int { answers.count { $0.correctFlexible } }
  /// nil where a line does not say.
  package var correctOpenAI: Int? {
    answers.contains { $0.correctOpenAI == nil } ? nil : answers.count { $0.correctOpenAI == true }
  }
  /// Wilson's 95 % interval of the share of right answers.
  package var confidenceInterval: ClosedRange<Double> { wilsonInterval(correct: correct, count: count) }
  /// Generated tokens an answer.
  package var meanTokens: Double { answers.reduce(0.0) { $0 + Double($1.tokens) } / Double(max(1, count)) }

  /// Reads an evaluation folder; nil when it holds no answers yet.
  /// - Throws: `Fault` .badData naming the file and line.
  package init?(contentsOf folder: String) throws {
    let predictions = "\(folder)/predictions.jsonl"
    guard RunDirectory.exists(predictions) else { return nil }
    answers = try objects(in: predictions).map(AnswerRecord.init)
    if answers.isEmpty { return nil }
    var places: [Int: Int] = [:]
    for (index, answer) in answers.enumerated() {
      if let first = places.updateValue(index + 1, forKey: answer.id) {
        throw Fault(
          .badData, file: predictions, line: index + 1, "id \(answer.id) again, first on line \(first)")
      }
    }
    let probeFile = "\(folder)/probes.jsonl"
    probes = RunDirectory.exists(probeFile) ? try objects(in: probeFile).map(ProbeRecord.init) : []
    let summaryFile = "\(folder)/summary.json"
    let summary =
      RunDirectory.exists(summaryFile)
      ? try JSONValue(parsing: try readFile(summaryFile, limit: 1 << 24), file: summaryFile).objectValue : nil
    references = summary?["references"]?.stringValue
    promptHash = summary?["prompt_hash"]?.stringValue
    tokensPerSecond = summary?["tokens_per_second"]?.doubleValue
    kernels = summary?["kernels"]?.stringValue
    settings = try summary.flatMap { try EvaluationSettings(summary: $0, file: summaryFile) }
    otherBase = summary?["other_base"]?.boolValue == true ? summary?["model"]?.stringValue ?? "" : nil
  }
}

extension AnswerRecord {
  fileprivate init(_ line: Line) throws {
    id = try line.whole("id")
    question = try line.text("question")
    reference = try line.text("reference")
    completion = try line.text("completion")
    extracted = line.object["extracted"]?.stringValue
    correct = try line.flag("correct")
    correctFlexible = try line.flag("correct_flexible")
    correctOpenAI = line.object["correct_openai"]?.boolValue
    tokens = try line.whole("tokens")
    tags = line.object["tags"]?.arrayValue?.compactMap(\.stringValue)
  }
}

extension ProbeRecord {
  fileprivate init(_ line: Line) throws {
    question = try line.text("question")
    completion = try line.text("completion")
  }
}

/// One line of a JSONL file, an object.
private struct Line {
  let object: JSONObject
  let file: String
  let number: Int

  func text(_ key: String) throws -> String { try value(key, "text", \.stringValue) }
  func flag(_ key: String) throws -> Bool { try value(key, "true or false", \.boolValue) }
  func whole(_ key: String) throws -> Int {
    try value(key, "a whole number from 0") { $0.intValue.flatMap { $0 >= 0 ? $0 : nil } }
  }

  private func value<Value>(_ key: String, _ kind: String, _ read: (JSONValue) -> Value?) throws -> Value {
    guard let value = object[key].flatMap(read) else {
      throw Fault(.badData, file: file, line: number, "'\(key)' is missing or not \(kind)")
    }
    return value
  }
}

private func objects(in file: String) throws -> [Line] {
  try lines(of: try readFile(file, limit: 1 << 30)).map { line in
    let value = try JSONValue(parsing: Array(line.bytes), file: file, line: line.number)
    guard let object = value.objectValue else {
      throw Fault(
        .badData, file: file, line: line.number, "not an answer, got \(value.kindName); expected an object")
    }
    return Line(object: object, file: file, number: line.number)
  }
}
