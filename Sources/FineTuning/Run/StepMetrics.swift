import Files
import Tensors

/// What one optimizer step did: one line of `metrics.jsonl`, one row of `metrics.h5`.
///
/// A number that is not finite is written as null and read as NaN.
package struct StepMetrics: Equatable, Sendable {
  /// Number of the step, from 1.
  package var step = 0
  /// Epochs done after this step.
  package var epoch = 0.0
  /// Mean loss over all target tokens of the step, in nats.
  package var loss = 0.0
  /// The learning rate of this step.
  package var learningRate = 0.0
  /// Norm of all gradients before clipping.
  package var gradientNorm = 0.0
  /// Share of the stored trained weights whose bits this step changed, in [0, 1]; NaN where an older file
  /// lacks it.
  package var changedShare = 0.0
  /// Tokens, target tokens and sequences of the step.
  package var tokens = 0, targetTokens = 0, samples = 0
  /// Wall-clock time of the step, in seconds.
  package var stepSeconds = 0.0
  /// Sequences and tokens a second.
  package private(set) var samplesPerSecond = 0.0, tokensPerSecond = 0.0
  /// The most memory that was used so far, in bytes: of the device if one computes, otherwise of the process.
  package var peakMemoryBytes = 0

  /// A step that took this many seconds, from which its rates follow.
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
    samplesPerSecond = Double(samples) / stepSeconds
    tokensPerSecond = Double(tokens) / stepSeconds
  }

  /// Reads a line of `metrics.jsonl`.
  /// - Throws: `Fault` .badData naming the key.
  package init(_ fields: JSONFields) throws {
    for field in Self.fields {
      switch field {
      case .whole(let key, let path): self[keyPath: path] = try fields.read(key)
      case .real(let key, let path): self[keyPath: path] = try fields.read(key)
      case .newReal(let key, let path): self[keyPath: path] = try fields.read(key, missing: .nan)
      }
    }
  }

  /// The line of `metrics.jsonl`.
  package var json: JSONValue {
    var object = JSONObject()
    for field in Self.fields {
      switch field {
      case .whole(let key, let path): object[key] = self[keyPath: path]
      case .real(let key, let path), .newReal(let key, let path): object[key] = self[keyPath: path]
      }
    }
    return .object(object)
  }

  /// The metrics of several steps as columns of a table, with the names of `metrics.jsonl`.
  package static func columns(_ steps: [StepMetrics]) -> [(name: String, HDF5File.Column)] {
    fields.map { field in
      switch field {
      case .whole(let key, let path): (key.name, .int64(steps.map { Int64($0[keyPath: path]) }))
      case .real(let key, let path), .newReal(let key, let path):
        (key.name, .float64(steps.map { $0[keyPath: path] }))
      }
    }
  }

  /// The step in words: for the log and the progress line.
  var text: String {
    "loss \(loss.formatted(decimals: 4))  rate \(learningRate.formatted(significant: 4))  "
      + "norm \(gradientNorm.formatted(decimals: 3))  \(tokensPerSecond.formatted(decimals: 1)) tokens/s"
  }
}

extension StepMetrics {
  private typealias Whole = any WritableKeyPath<StepMetrics, Int> & Sendable
  private typealias Real = any WritableKeyPath<StepMetrics, Double> & Sendable

  private enum Field {
    case whole(JSONKey<Int>, Whole)
    case real(JSONKey<Double>, Real)
    /// A number that older files lack.
    case newReal(JSONKey<Double>, Real)
  }

  /// The keys in the order of the files.
  private static let fields: [Field] = [
    .whole(.whole("step", from: 1), \.step),
    .real(.real("epoch"), \.epoch),
    .real(.real("loss"), \.loss),
    .real(.real("learning_rate"), \.learningRate),
    .real(.real("gradient_norm"), \.gradientNorm),
    .newReal(.real("changed_share"), \.changedShare),
    .whole(.whole("tokens", from: 0), \.tokens),
    .whole(.whole("target_tokens", from: 0), \.targetTokens),
    .whole(.whole("samples", from: 0), \.samples),
    .real(.real("step_seconds"), \.stepSeconds),
    .real(.real("samples_per_second"), \.samplesPerSecond),
    .real(.real("tokens_per_second"), \.tokensPerSecond),
    .whole(.whole("peak_memory_bytes", from: 0), \.peakMemoryBytes),
  ]
}
