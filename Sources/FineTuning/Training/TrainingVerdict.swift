import Glibc

/// Why a finished run may be worthless. The log and the report share this rule.
package enum TrainingVerdict: Equatable, Sendable {
  /// No step changed the bits of any weight.
  case unchanged
  /// The loss ended far above its start.
  case diverged(Divergence)

  /// A loss that rose, in nats per target token.
  package struct Divergence: Equatable, Sendable {
    /// Loss of the first step, and mean loss of the last tenth of the steps, which are `lastCount` steps.
    package var first: Double, last: Double, lastCount: Int
    /// ln(vocabulary), the loss of guessing, where `last` is above it; otherwise nil.
    package var guessing: Double?
  }

  /// The warning after training, with what to do.
  package var warning: String {
    switch self {
    case .unchanged:
      "warning: no weight changed in the whole run: the result is what it began with; raise train.learning_rate "
        + "(optimizer.low_precision_update: nearest rounds small updates away)"
    case .diverged(let divergence):
      "warning: training diverged: \(divergence.text); lower train.learning_rate"
    }
  }

  /// The report's note on the run `name`.
  package func note(_ name: String) -> String {
    switch self {
    case .unchanged: "\(name) changed no weight: its result is what it began with."
    case .diverged(let divergence): "\(name) diverged: \(divergence.text)."
    }
  }
}

extension TrainingVerdict.Divergence {
  /// Whether a rise is far above the first loss: by 1 nat where the last loss is above ln(vocabulary),
  /// otherwise by 3 nats, which no data explain.
  static func isFar(_ rise: Double, aboveGuessing: Bool) -> Bool { rise > (aboveGuessing ? 1 : 3) }

  fileprivate var text: String {
    let mean = lastCount == 1 ? "at the last step" : "on average over the last \(lastCount) steps"
    let rise = "the loss rose from \(first.formatted(decimals: 4)) to \(last.formatted(decimals: 4)) \(mean)"
    return rise
      + (guessing.map { ", above ln(vocabulary) = \($0.formatted(decimals: 4)), the loss of guessing" } ?? "")
  }
}

extension TrainingCurve {
  /// The verdicts against a finished run of these steps.
  /// - Parameter vocabularySize: the model's, in tokens; nil where it is not known.
  package func verdicts(vocabularySize: Int?) -> [TrainingVerdict] {
    let isUnchanged = steps.allSatisfy { $0.changedShare == 0 }
    return (isUnchanged ? [.unchanged] : [])
      + [divergence(vocabularySize)].compactMap { $0.map(TrainingVerdict.diverged) }
  }

  private func divergence(_ vocabularySize: Int?) -> TrainingVerdict.Divergence? {
    guard let first = losses[0], let last = finalLoss else { return nil }
    let guessing = vocabularySize.map { log(Double(max(2, $0))) }.flatMap { last > $0 ? $0 : nil }
    guard TrainingVerdict.Divergence.isFar(last - first, aboveGuessing: guessing != nil) else { return nil }
    return .init(first: first, last: last, lastCount: finalStepCount, guessing: guessing)
  }
}
