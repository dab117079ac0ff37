import Files
import Tensors

/// What a training run reports as it goes: `config.yaml`, `metrics.jsonl`, `metrics.h5`, `train.log`, and
/// lines or a bar for the person who waits.
final class TrainingLog {
  private let paths: RunPaths
  private let metricsFile: LineFile
  private let logFile: LineFile
  private let listener: Listener
  private let progress: Listener.Progress
  private let interval: Int
  private let vocabularySize: Int
  private var table: [StepMetrics] = []

  /// Starts the files of a run. `directory` must hold none yet. The log begins with the lines `computedBy`.
  /// - Throws: `Fault` .cannotCreate or .cannotWrite.
  init(
    _ directory: RunDirectory, _ configuration: RunConfiguration, _ plan: TrainingPlan, computedBy: [String],
    _ listener: Listener
  ) throws {
    paths = directory.paths
    self.listener = listener
    interval = configuration.logging.steps
    vocabularySize = plan.vocabularySize
    try writeAtomically(configuration.savedYAML(), to: paths.configuration)
    logFile = try LineFile(creating: paths.log)
    metricsFile = try LineFile(creating: paths.metrics)
    progress = listener.begin("step", plan.steps)
    computedBy.forEach(note)
    note(
      "run \(configuration.run.name), method \(configuration.method.rawValue), model \(configuration.model.path)"
    )
    plan.text.split(separator: "\n").forEach { note(String($0)) }
  }

  /// Writes a line to the log and, unless quiet, shows it to the person.
  func note(_ line: String) {
    try? logFile.append(line)
    listener.note(line)
  }

  /// Writes one step's metrics.
  /// - Throws: `Fault` .cannotWrite.
  func record(_ metrics: StepMetrics) throws {
    try metricsFile.append(metrics.json.text())
    table.append(metrics)
    try? logFile.append("step \(metrics.step)  \(metrics.text)")
    progress(metrics.step, metrics.text, metrics.step % interval == 0)
  }

  /// Writes the table of all steps, and a line on the result of the run.
  /// - Throws: `Fault`.
  func finish(_ kernels: any Kernels) throws {
    try HDF5File.writeTable(
      path: paths.metricsTable, dataset: "train", columns: StepMetrics.columns(table))
    let curve = TrainingCurve(table)
    let seconds = curve?.seconds ?? 0
    note(
      "done: \(table.count) steps in \(seconds.formatted(decimals: 1)) s, "
        + "\((Double(curve?.tokens ?? 0) / max(seconds, 1e-9)).formatted(decimals: 1)) tokens/s, "
        + "peak \(kernels.place == .device ? "device memory" : "memory") "
        + byteText(curve?.peakMemoryBytes ?? 0))
    for verdict in curve?.verdicts(vocabularySize: vocabularySize) ?? [] {
      warn(verdict.warning)
    }
  }

  /// Writes a line to the log and shows it to the person, even when quiet.
  private func warn(_ line: String) {
    try? logFile.append(line)
    listener.warn(line)
  }
}
