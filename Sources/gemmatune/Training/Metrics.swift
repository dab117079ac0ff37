import Files
import Tensors

/// One line of `metrics.jsonl`: what one optimizer step did.
package struct StepMetrics: Equatable, Sendable {
  /// Counted from 1.
  package var step: Int
  /// Epochs done after this step.
  package var epoch: Double
  /// Nats per target token over the whole step.
  package var loss: Double
  /// Rate that this step used.
  package var learningRate: Double
  /// Norm of all gradients before clipping.
  package var gradientNorm: Double
  /// Share of the stored trained weights whose bits this step changed, in [0, 1].
  package var changedShare: Double
  /// Tokens, target tokens and sequences of the step.
  package var tokens: Int, targetTokens: Int, samples: Int
  /// Wall-clock time of the step.
  package var stepSeconds: Double
  /// The most memory that was used so far: of the device where one computes, else of the process.
  package var peakMemoryBytes: Int

  /// All of it.
  package init(
    step: Int, epoch: Double, loss: Double, learningRate: Double, gradientNorm: Double, changedShare: Double,
    tokens: Int, targetTokens: Int, samples: Int, stepSeconds: Double, peakMemoryBytes: Int
  ) {
    self.step = step
    self.epoch = epoch
    self.loss = loss
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.changedShare = changedShare
    self.tokens = tokens
    self.targetTokens = targetTokens
    self.samples = samples
    self.stepSeconds = stepSeconds
    self.peakMemoryBytes = peakMemoryBytes
  }

  fileprivate enum Value {
    case whole(Int)
    case real(Double)
  }

  /// The values by their names in the files, in order.
  fileprivate var values: KeyValuePairs<String, Value> {
    [
      "step": .whole(step), "epoch": .real(epoch), "loss": .real(loss), "learning_rate": .real(learningRate),
      "gradient_norm": .real(gradientNorm), "changed_share": .real(changedShare), "tokens": .whole(tokens),
      "target_tokens": .whole(targetTokens), "samples": .whole(samples), "step_seconds": .real(stepSeconds),
      "samples_per_second": .real(Double(samples) / stepSeconds),
      "tokens_per_second": .real(Double(tokens) / stepSeconds), "peak_memory_bytes": .whole(peakMemoryBytes),
    ]
  }

  /// The line of `metrics.jsonl`.
  package var json: JSONValue {
    var object = JSONObject()
    for (name, value) in values {
      switch value {
      case .whole(let value): object[name] = .int(value)
      case .real(let value): object[name] = .double(value)
      }
    }
    return .object(object)
  }

  /// The step in words: for the log and the progress line.
  var text: String {
    "loss \(loss.formatted(decimals: 4))  rate \(learningRate.formatted(significant: 4))  norm \(gradientNorm.formatted(decimals: 3))  "
      + "\((Double(tokens) / stepSeconds).formatted(decimals: 1)) tokens/s"
  }

  /// The metrics of several steps as columns of a table, with the names of `metrics.jsonl`.
  package static func columns(_ steps: [StepMetrics]) -> [(name: String, HDF5File.Column)] {
    let rows = steps.map(\.values)
    return (rows.first ?? [:]).enumerated().map { index, named in
      switch named.value {
      case .whole: (named.key, .int64(rows.compactMap { $0[index].value.whole }))
      case .real: (named.key, .float64(rows.compactMap { $0[index].value.real }))
      }
    }
  }
}

extension StepMetrics.Value {
  fileprivate var whole: Int64? {
    if case .whole(let value) = self { Int64(value) } else { nil }
  }
  fileprivate var real: Double? {
    if case .real(let value) = self { value } else { nil }
  }
}
