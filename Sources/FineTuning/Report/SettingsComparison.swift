import Files

extension EvaluationSettings {
  /// The settings that answers depend on: their keys, and their values in words.
  fileprivate var shown: [(key: String, value: String)] {
    return [
      ("evaluation.limit", evaluation.shownLimit),
      ("evaluation.max_new_tokens", "\(evaluation.maxNewTokens)"),
      ("evaluation.shots", "\(evaluation.shots)"),
      ("evaluation.instruction", evaluation.shownInstruction),
      ("evaluation.example", evaluation.example.map { quoted($0.question) } ?? "none"),
      ("evaluation.stop", evaluation.shownStop),
      ("prompt.template", template.rawValue),
      ("model.precision", precision.rawValue),
    ]
  }
}

extension RunConfiguration.EvaluationSection {
  /// The limit in words.
  var shownLimit: String { limit.map { grouped($0) } ?? "all" }
  /// The instruction in words.
  var shownInstruction: String { instruction.map { quoted($0) } ?? "none" }
  /// The strings that end an answer, in words.
  var shownStop: String { stop.isEmpty ? "none" : stop.map { quoted($0) }.joined(separator: " ") }
}

/// One sentence on the settings in which the evaluations of these runs differ; nil where all that record
/// settings agree.
func settingsNote(_ runs: [RunRecord]) -> String? {
  let recorded = runs.compactMap { run in
    run.evaluation?.settings.map { (run: run.name, settings: $0.shown) }
  }
  let keys = recorded.first?.settings.map(\.key) ?? []
  let differences: [String] = keys.indices.compactMap { index in
    let values = recorded.map { (run: $0.run, value: $0.settings[index].value) }
    var distinct: [String] = []
    for value in values.map(\.value) where !distinct.contains(value) { distinct.append(value) }
    if distinct.count < 2 { return nil }
    let groups = distinct.map { value in
      "\(value) (\(values.filter { $0.value == value }.map(\.run).joined(separator: ", ")))"
    }
    return "\(keys[index]) \(groups.joined(separator: ", "))"
  }
  if differences.isEmpty { return nil }
  return "Runs were not evaluated with the same settings: \(differences.joined(separator: "; "))."
}
