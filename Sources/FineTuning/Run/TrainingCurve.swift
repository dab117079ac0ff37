import Files

/// The steps that a run has done so far.
package struct TrainingCurve: Equatable, Sendable {
  /// At least one step, in ascending order.
  package let steps: [StepMetrics]

  /// The steps that `metrics.jsonl` holds; nil when it has no whole line yet. The last line may be cut off,
  /// since the run may be going on or have been killed.
  /// - Throws: `Fault` .badData naming `path:line` for any other line that is no step.
  package init?(contentsOf file: String) throws {
    let lines = lines(of: try readFile(file, limit: 1 << 30))
    var steps: [StepMetrics] = []
    for (index, line) in lines.enumerated() {
      do {
        let step = try StepMetrics(JSONFields(line, file: file))
        guard step.step > steps.last?.step ?? 0 else {
          throw Fault(
            .badData, file: file, line: line.number,
            "step \(step.step) after step \(steps.last?.step ?? 0); expected steps that rise from 1")
        }
        steps.append(step)
      } catch {
        if index < lines.count - 1 { throw error }
      }
    }
    self.init(steps)
  }

  /// A curve of these steps, put in ascending order; nil when there are none.
  package init?(_ steps: [StepMetrics]) {
    if steps.isEmpty { return nil }
    self.steps = steps
  }

  /// Number of steps that the final loss is the mean of: the last tenth, at least one.
  package var finalStepCount: Int { (steps.count + 9) / 10 }

  /// The loss of each step; nil where it is not finite.
  package var losses: [Double?] { steps.map { $0.loss.isFinite ? $0.loss : nil } }

  /// Mean loss of the last tenth of the steps; nil when one of them has no finite loss.
  package var finalLoss: Double? {
    let last = losses.suffix(finalStepCount).compactMap(\.self)
    return last.count == finalStepCount ? last.reduce(0, +) / Double(last.count) : nil
  }

  /// Sequences a second, median over the steps.
  package var samplesPerSecond: Double? { median(finite(\.samplesPerSecond)) }
  /// Tokens a second, median over the steps.
  package var tokensPerSecond: Double? { median(finite(\.tokensPerSecond)) }
  /// Share of changed weights, median over the steps.
  package var changedShare: Double? { median(finite(\.changedShare)) }
  /// Seconds of all steps.
  package var seconds: Double { finite(\.stepSeconds).reduce(0, +) }
  /// Sums over the steps.
  package var samples: Int { saturatingSum(steps.map(\.samples)) }
  package var tokens: Int { saturatingSum(steps.map(\.tokens)) }
  package var targetTokens: Int { saturatingSum(steps.map(\.targetTokens)) }
  /// The largest peak memory of the steps, in bytes.
  package var peakMemoryBytes: Int { steps.map(\.peakMemoryBytes).max() ?? 0 }

  /// The losses smoothed by an exponential moving average with decay 0.9, its weights scaled to sum to 1 from
  /// the first step on. A step without a finite loss is skipped and has no smoothed loss.
  package var smoothedLosses: [Double?] {
    var (sum, weight) = (0.0, 0.0)
    return losses.map { loss in
      guard let loss else { return nil }
      sum = 0.9 * sum + 0.1 * loss
      weight = 0.9 * weight + 0.1
      return sum / weight
    }
  }

  private func finite(_ value: (StepMetrics) -> Double) -> [Double] { steps.map(value).filter(\.isFinite) }
}

/// The middle value, or the mean of the middle two; nil without values.
private func median(_ values: [Double]) -> Double? {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return nil }
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// The sum of counts from a file, which may be any numbers. It stops at the largest Int.
private func saturatingSum(_ values: [Int]) -> Int {
  values.reduce(0) { sum, value in
    let (next, overflow) = sum.addingReportingOverflow(value)
    return overflow ? .max : next
  }
}
