import Files

/// What the report reads of one line of `metrics.jsonl`; numbers that the line gives as null are nil.
package struct LoggedStep: Equatable, Sendable {
  /// Counted from 1.
  package var step: Int
  /// Nats per target token.
  package var loss: Double?
  /// Sequences, tokens and target tokens of the step.
  package var samples: Int, tokens: Int, targetTokens: Int
  /// Wall-clock time of the step.
  package var seconds: Double?
  /// Sequences and tokens a second.
  package var samplesPerSecond: Double?, tokensPerSecond: Double?
  /// Share of the stored trained weights whose bits the step changed.
  package var changedShare: Double?
  /// The most memory that the process had used so far.
  package var peakMemoryBytes: Int
}

/// The steps of a run as far as it has come.
package struct TrainingCurve: Equatable, Sendable {
  /// At least one, by rising step.
  package let steps: [LoggedStep]

  /// The steps that `metrics.jsonl` holds; nil when there is no whole line yet. The last line may be torn: the run may
  /// be going on, or have been killed.
  /// - Throws: `Fault` .badData naming `path:line` for any other line that is no step.
  package init?(contentsOf file: String) throws {
    let lines = lines(of: try readFile(file, limit: 1 << 30))
    var steps: [LoggedStep] = []
    for (index, line) in lines.enumerated() {
      do {
        let step = try LoggedStep(line.bytes, file: file, line: line.number)
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

  /// A curve of these steps, by rising step; nil when there are none.
  package init?(_ steps: [LoggedStep]) {
    if steps.isEmpty { return nil }
    self.steps = steps
  }

  /// How many steps the final loss is the mean of: the last tenth, at least one.
  package var finalStepCount: Int { (steps.count + 9) / 10 }

  /// Mean loss of the last tenth of the steps; nil when one of them has no finite loss.
  package var finalLoss: Double? {
    let last = steps.suffix(finalStepCount).compactMap(\.loss)
    return last.count == finalStepCount ? last.reduce(0, +) / Double(last.count) : nil
  }

  /// Median over the steps.
  package var samplesPerSecond: Double? { median(steps.compactMap(\.samplesPerSecond)) }
  /// Median over the steps.
  package var tokensPerSecond: Double? { median(steps.compactMap(\.tokensPerSecond)) }
  /// Median over the steps.
  package var changedShare: Double? { median(steps.compactMap(\.changedShare)) }
  /// Sum over the steps, in seconds.
  package var seconds: Double { steps.compactMap(\.seconds).reduce(0, +) }
  /// Sums over the steps.
  package var samples: Int { saturatingSum(steps.map(\.samples)) }
  package var tokens: Int { saturatingSum(steps.map(\.tokens)) }
  package var targetTokens: Int { saturatingSum(steps.map(\.targetTokens)) }
  /// The most memory that the process used.
  package var peakMemoryBytes: Int { steps.map(\.peakMemoryBytes).max() ?? 0 }

  /// The losses smoothed: the exponential moving average with decay 0.9, its weights scaled to sum to 1 from the first
  /// step on. A step without a finite loss has none and is passed over.
  package var smoothedLosses: [Double?] {
    var (sum, weight) = (0.0, 0.0)
    return steps.map { step in
      guard let loss = step.loss else { return nil }
      sum = 0.9 * sum + 0.1 * loss
      weight = 0.9 * weight + 0.1
      return sum / weight
    }
  }
}

extension LoggedStep {
  /// The step as its line will say it.
  init(_ metrics: StepMetrics) {
    self.init(
      step: metrics.step, loss: metrics.loss, samples: metrics.samples, tokens: metrics.tokens,
      targetTokens: metrics.targetTokens, seconds: metrics.stepSeconds, changedShare: metrics.changedShare,
      peakMemoryBytes: metrics.peakMemoryBytes)
  }

  /// Reads a line of `metrics.jsonl`.
  init(_ bytes: ArraySlice<UInt8>, file: String, line: Int) throws {
    let value = try JSONValue(parsing: Array(bytes), file: file, line: line)
    guard let object = value.objectValue else {
      throw Fault(.badData, file: file, line: line, "not a step, got \(value.kindName); expected an object")
    }
    func whole(_ key: String, from least: Int = 0) throws -> Int {
      guard let value = object[key]?.intValue, value >= least else {
        throw Fault(
          .badData, file: file, line: line, "'\(key)' is missing or no whole number from \(least)")
      }
      return value
    }
    func real(_ key: String) throws -> Double? {
      let value = object[key]
      if value == .null { return nil }
      guard let number = value?.doubleValue else {
        throw Fault(.badData, file: file, line: line, "'\(key)' is missing or no number")
      }
      return number.isFinite ? number : nil
    }
    self.init(
      step: try whole("step", from: 1), loss: try real("loss"), samples: try whole("samples"),
      tokens: try whole("tokens"), targetTokens: try whole("target_tokens"),
      seconds: try real("step_seconds"),
      samplesPerSecond: try real("samples_per_second"), tokensPerSecond: try real("tokens_per_second"),
      changedShare: object["changed_share"]?.doubleValue,
      peakMemoryBytes: try whole("peak_memory_bytes"))
  }
}

/// The middle value, or the mean of the middle two; nil of none.
private func median(_ values: [Double]) -> Double? {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return nil }
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// The sum of counts that a file gives; they may be anything, so it stops at the largest Int.
private func saturatingSum(_ values: [Int]) -> Int {
  values.reduce(0) { sum, value in
    let (next, overflow) = sum.addingReportingOverflow(value)
    return overflow ? .max : next
  }
}
