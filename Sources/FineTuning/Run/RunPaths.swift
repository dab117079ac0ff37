import Glibc

/// The paths of a run's files in its folder.
package struct RunPaths: Equatable, Sendable {
  /// The folder.
  package let folder: String

  /// The paths of the run in `folder`.
  package init(_ folder: String) { self.folder = folder }

  /// Every value of the configuration that the run used.
  package var configuration: String { path(Name.configuration) }
  /// `StepMetrics`, one a line.
  package var metrics: String { path(Name.metrics) }
  /// The same steps as a table.
  package var metricsTable: String { path("metrics.h5") }
  /// The messages of the run.
  package var log: String { path(Name.log) }
  /// The finished weights, with `RunFacts`.
  package var final: String { path(Name.final) }
  /// The folder of the evaluation.
  package var evaluation: String { path(Name.evaluation) }
  /// `AnswerRecord`, one a line.
  package var predictions: String { "\(evaluation)/predictions.jsonl" }
  /// `ProbeRecord`, one a line.
  package var probes: String { "\(evaluation)/probes.jsonl" }
  /// `EvaluationSummary`.
  package var summary: String { "\(evaluation)/summary.json" }

  /// Names in the folder of a run.
  enum Name {
    static let configuration = "config.yaml"
    static let metrics = "metrics.jsonl"
    static let log = "train.log"
    static let final = "final"
    static let evaluation = "evaluation"
    /// The names of the files that a training run leaves.
    static let ofTraining = [metrics, log, final]
  }

  private func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// Whether something exists at `path`.
  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}
