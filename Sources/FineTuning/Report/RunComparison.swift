import Files
import GSM8K

/// Two runs on the same questions.
package struct RunComparison: Sendable {
  /// Names of the runs.
  package let first: String, second: String
  /// The number of questions that both answered, and of those that only one got right.
  package let outcome: PairedOutcome

  /// Whether the test shows that the runs differ, at the 5 % level.
  package var isShown: Bool { outcome.mcnemarP < 0.05 }

  /// The verdict in words: the better run, or that none is shown to be better.
  package var verdict: String {
    guard isShown else { return "not shown" }
    return "\(outcome.difference > 0 ? second : first) is better"
  }
}

/// Two runs whose answers cannot be compared.
package struct RunMismatch: Equatable, Sendable {
  /// What keeps them apart.
  package enum Kind: Equatable, Sendable {
    case otherFile
    case nothingShared
    /// The same id stands for different questions.
    case changed(id: Int)
  }

  package let first: String, second: String
  package let kind: Kind
  /// The file that the first run's questions come from, and the second's.
  package let files: [String]

  /// Why they cannot be compared, in words.
  package var reason: String {
    switch kind {
    case .otherFile: "their questions come from \(files.joined(separator: " and "))"
    case .nothingShared: "they have no question in common"
    case .changed(let id): "\(files[0]) held another example \(id) when the second was evaluated"
    }
  }
}

/// All pairs of evaluated runs: first those with the base, then the others in order.
package func compared(
  _ runs: [RunRecord], base: RunRecord?
) -> (pairs: [RunComparison], mismatches: [RunMismatch]) {
  var pairs: [RunComparison] = []
  var mismatches: [RunMismatch] = []
  for (first, second) in orderedPairs(runs.filter { $0.evaluation != nil }, base: base) {
    guard let left = first.evaluation, let right = second.evaluation else { continue }
    if let kind = mismatch(left, right) {
      let files = [left, right].map { $0.references ?? "a file that is \(ReportWording.notRecorded)" }
      mismatches.append(RunMismatch(first: first.name, second: second.name, kind: kind, files: files))
    } else {
      let outcome = PairedOutcome(left.correctByID, right.correctByID)
      pairs.append(RunComparison(first: first.name, second: second.name, outcome: outcome))
    }
  }
  return (pairs, mismatches)
}

private func orderedPairs(_ runs: [RunRecord], base: RunRecord?) -> [(RunRecord, RunRecord)] {
  let isBase = { (run: RunRecord) in run.directory == base?.directory }
  let sorted = runs.filter(isBase) + runs.filter { !isBase($0) }
  return sorted.indices.flatMap { left in
    sorted.indices.dropFirst(left + 1).map { (sorted[left], sorted[$0]) }
  }
}

/// Why the answers of two evaluations are not about the same questions; nil when they are. Where an
/// evaluation does not name its file, the questions themselves are compared.
private func mismatch(_ left: EvaluationRecord, _ right: EvaluationRecord) -> RunMismatch.Kind? {
  if let first = left.references, let second = right.references, first != second { return .otherFile }
  let questions = Dictionary(left.answers.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  let shared = right.answers.compactMap { answer in questions[answer.id].map { ($0, answer) } }
  if shared.isEmpty { return .nothingShared }
  let changed = shared.first { $0.0.question != $0.1.question || $0.0.reference != $0.1.reference }
  return changed.map { .changed(id: $0.0.id) }
}

extension EvaluationRecord {
  /// By the id of each question, whether its answer is right.
  var correctByID: [Int: Bool] {
    Dictionary(answers.map { ($0.id, $0.correct) }, uniquingKeysWith: { first, _ in first })
  }
}
