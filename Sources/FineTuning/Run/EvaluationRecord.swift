import Files
import GSM8K

/// The evaluation in a run's folder: its answers, the probes, and the summary.
package struct EvaluationRecord: Equatable, Sendable {
  /// The answers, in the file's order.
  package var answers: [AnswerRecord]
  /// Answers to the user's own questions, in the file's order. Often there are none.
  package var probes: [ProbeRecord]
  /// The summary; nil where the folder has none.
  package var summary: EvaluationSummary?

  /// The record of an evaluation that was just made.
  init(_ answers: [AnswerRecord], probes: [ProbeRecord], _ summary: EvaluationSummary) {
    (self.answers, self.probes, self.summary) = (answers, probes, summary)
  }

  /// Reads the evaluation of a run; nil when it holds no answers yet.
  /// - Throws: `Fault` .badData naming the file and line.
  package init?(contentsOf paths: RunPaths) throws {
    guard RunPaths.exists(paths.predictions) else { return nil }
    let lines = try JSONFields.lines(of: paths.predictions, limit: 1 << 30)
    answers = try lines.map(AnswerRecord.init)
    if answers.isEmpty { return nil }
    var places: [Int: Int] = [:]
    for (index, (line, answer)) in zip(lines, answers).enumerated() {
      if let first = places.updateValue(index + 1, forKey: answer.id) {
        throw line.fault("id \(answer.id) again, first on line \(first)")
      }
    }
    probes =
      RunPaths.exists(paths.probes)
      ? try JSONFields.lines(of: paths.probes, limit: 1 << 30).map(ProbeRecord.init) : []
    summary = RunPaths.exists(paths.summary) ? try EvaluationSummary(contentsOf: paths.summary) : nil
  }

  /// Writes the evaluation in place of an earlier one, and `configuration` unless it is nil.
  /// - Throws: `Fault` .cannotCreate or .cannotWrite. If one file cannot be written, all stay as they were.
  func write(to paths: RunPaths, configuration: String?) throws {
    func lines(_ rows: [JSONValue]) -> String { rows.map { $0.text() + "\n" }.joined() }
    var files = [(paths.predictions, lines(answers.map(\.json)))]
    if !probes.isEmpty { files.append((paths.probes, lines(probes.map(\.json)))) }
    if let configuration { files.append((paths.configuration, configuration)) }
    // The summary comes last: where it exists, the other files are of the same evaluation.
    if let summary { files.append((paths.summary, summary.json.text(indent: 2) + "\n")) }
    try writeTogether(files, removed: probes.isEmpty ? [paths.probes] : [])
  }
}

extension EvaluationRecord {
  /// Number of answers.
  package var count: Int { answers.count }
  /// Number of answers that are right by the strict definition, the one that is quoted.
  package var correct: Int { answers.count { $0.correct } }
  /// Number of answers that are right by the flexible definition.
  package var correctFlexible: Int { answers.count { $0.correctFlexible } }
  /// Number of answers that are right by OpenAI's definition; nil where a line does not say.
  package var correctOpenAI: Int? {
    answers.contains { $0.correctOpenAI == nil } ? nil : answers.count { $0.correctOpenAI == true }
  }
  /// Wilson's 95 % interval for the share of right answers, by the strict definition.
  package var confidenceInterval: ClosedRange<Double> { wilsonInterval(correct: correct, count: count) }
  /// Mean number of generated tokens of an answer.
  package var meanTokens: Double { answers.reduce(0.0) { $0 + Double($1.tokens) } / Double(max(1, count)) }

  /// The file that the questions came from; nil where the summary does not say.
  package var references: String? { summary?.references }
  /// `Prompt.hash` of the evaluation; nil where the summary does not say.
  package var promptHash: String? { summary?.promptHash }
  /// Generated tokens a second.
  package var tokensPerSecond: Double? { summary?.tokensPerSecond }
  /// The kernels that computed; nil where the summary does not say.
  package var kernels: String? { summary?.kernels }
  /// The settings of the evaluation; nil where the summary does not say. The run's configuration may hold
  /// other values than those used.
  package var settings: EvaluationSettings? { summary?.settings }
  /// The base model's folder, if it is another base than the adapter was trained on.
  package var otherBase: String? {
    guard let summary, summary.isOverOtherBase else { return nil }
    return summary.model ?? ""
  }
}
