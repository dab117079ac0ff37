import Files

/// Scores saved answers against a file of problems.
///
/// The predictions have one line `{"id": ..., "completion": ...}` for each problem, in any order. `id` is the
/// problem's index from 0. Other keys are ignored. Completions are cut at `stops` first.
/// - Returns: one answer a problem, in the order of the problems.
/// - Throws: `Fault` naming `path:line`, also for an id that is missing, unknown or repeated.
package func scoredPredictions(
  predictionsFile: String, referencesFile: String, stops: [String] = []
) throws -> [ScoredAnswer] {
  let problems = try loadProblems(file: referencesFile)
  var completions = [(line: Int, text: String)?](repeating: nil, count: problems.count)
  for line in lines(of: try readFile(predictionsFile, limit: maximumFileSize)) {
    let fields = try JSONFields(line, file: predictionsFile, limit: maximumLineLength)
    let id = try predictionID(fields, count: problems.count)
    if let earlier = completions[id] { throw fields.fault("id \(id) again, first on line \(earlier.line)") }
    completions[id] = (line.number, try fields.read(.text("completion")))
  }
  let missing = completions.indices.filter { completions[$0] == nil }
  if let first = missing.first {
    let more = missing.count > 1 ? " and \(missing.count - 1) more" : ""
    throw Fault(
      .badData, file: predictionsFile,
      "no prediction for id \(first)\(more); expected one for each of the \(problems.count) problems")
  }
  return zip(problems, completions).map { problem, completion in
    ScoredAnswer((completion?.text ?? "").truncated(at: stops), to: problem)
  }
}

private func predictionID(_ fields: JSONFields, count: Int) throws -> Int {
  let key = JSONKey<Int>(
    "id", expected: "a whole number from 0 to \(count - 1)", read: \.intValue, write: { .int($0) })
  let id = try fields.read(key)
  guard (0..<count).contains(id) else {
    throw fields.fault("id \(id) has no problem; expected 0 to \(count - 1)")
  }
  return id
}
