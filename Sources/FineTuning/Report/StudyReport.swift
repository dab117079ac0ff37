import Files
import GSM8K

/// The content of a report, before it has a form: the runs, how they compare, and the questions to show.
package struct StudyReport: Sendable {
  /// The runs in the order of the command line.
  package let runs: [RunRecord]
  /// The first untouched base model among the runs.
  package let base: RunRecord?
  /// Every pair of runs that answered the same questions.
  package let comparisons: [RunComparison]
  /// Every other pair of evaluated runs, with the reason why it cannot be compared.
  package let mismatches: [RunMismatch]
  /// Questions with all runs' answers.
  package let questions: [ShownQuestion]
  /// The user's own questions with the answers to them.
  package let probes: [ShownQuestion]

  /// A report on these runs.
  package init(_ runs: [RunRecord]) {
    self.runs = runs
    base = runs.first(where: \.isBase)
    (comparisons, mismatches) = compared(runs, base: base)
    questions = chosenQuestions(runs)
    probes = shownProbes(runs)
  }

  /// The runs that have training steps.
  var trained: [(run: RunRecord, curve: TrainingCurve)] {
    runs.compactMap { run in run.training.map { (run, $0) } }
  }

  /// Whether losses stand side by side that measure different things.
  package var mixesVariants: Bool { Set(trained.map(\.run.configuration.data.variant)).count > 1 }

  /// Why runs and numbers may not be what they seem, one sentence each.
  package var notes: [String] {
    runs.flatMap(notes) + mismatchNotes + [settingsNote(runs)].compactMap { $0 }
  }

  /// One sentence for all runs with different files, and one for each other pair that cannot be compared.
  private var mismatchNotes: [String] {
    let evaluated = runs.compactMap { run in
      run.evaluation?.references.map { (file: $0, run: run.name) }
    }
    var files: [String] = []
    for file in evaluated.map(\.file) where !files.contains(file) { files.append(file) }
    let groups = files.map { file in
      "\(file) (\(evaluated.filter { $0.file == file }.map(\.run).joined(separator: ", ")))"
    }
    let apart =
      "Runs with questions from different files are not compared: \(groups.joined(separator: "; "))."
    let others = mismatches.filter { $0.kind != .otherFile }
    return (groups.count > 1 ? [apart] : [])
      + others.map { "\($0.first) and \($0.second) are not compared: \($0.reason)." }
  }

  private func notes(_ run: RunRecord) -> [String] {
    var notes: [String] = []
    if run.state == .unfinished {
      let steps = run.training?.steps.last.map { "step \($0.step) is its last so far" } ?? "no step is done"
      notes.append("\(run.name) is not finished: \(steps).")
    }
    if run.evaluation == nil { notes.append("\(run.name) is not evaluated.") }
    if let curve = run.training, curve.finalLoss == nil {
      notes.append("\(run.name) has losses among its last steps that are not finite.")
    }
    if run.state == .finished {
      let verdicts = run.training?.verdicts(vocabularySize: run.facts?.vocabularySize) ?? []
      notes += verdicts.map { $0.note(run.name) }
    }
    if let base = run.evaluation?.settings?.modelPath, run.configuration.method == .lora,
      base != run.configuration.model.path
    {
      notes.append(
        "\(run.name) was evaluated on another base model (\(base)) than it was trained on "
          + "(\(run.configuration.model.path)).")
    }
    if let trained = run.facts?.promptHash, let asked = run.evaluation?.promptHash, trained != asked {
      notes.append(
        "\(run.name) was evaluated with another prompt (\(asked)) than it was trained with (\(trained)).")
    }
    if let base = run.evaluation?.otherBase {
      notes.append(
        "\(run.name) was evaluated over \(base), another base model than it was trained on "
          + "(\(run.facts?.baseModel ?? "not recorded")).")
    }
    return notes
  }
}
