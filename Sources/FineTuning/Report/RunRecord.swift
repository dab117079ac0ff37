import Files
import FoundationEssentials

/// What a run's folder says about the run, as far as it has come.
package struct RunRecord: Sendable {
  /// The folder as it was given, without slashes at its end.
  package let directory: String
  /// The name in the report: the configuration's, with the folder where several runs share it.
  package private(set) var name: String
  package let configuration: RunConfiguration
  /// nil before the first step is done.
  package let training: TrainingCurve?
  /// nil before the first evaluation.
  package let evaluation: EvaluationRecord?
  /// What was written beside the finished weights; nil before that.
  let facts: RunFacts?

  /// Reads a run's folder; nothing in it is changed or locked.
  /// - Throws: `Fault` .missing where there is no run, .badData naming the file; `ConfigurationFaults`.
  package init(contentsOf folder: String) throws {
    let directory = withoutSlashesAtEnd(folder)
    guard isDirectory(directory) else {
      throw Fault(.missing, file: directory, "no such run folder")
    }
    let paths = RunPaths(directory)
    guard RunPaths.exists(paths.configuration) else {
      throw Fault(.missing, file: directory, "holds no config.yaml; expected the folder of a run")
    }
    self.directory = directory
    configuration = try RunConfiguration.load(savedIn: directory)
    name = configuration.run.name
    training = RunPaths.exists(paths.metrics) ? try TrainingCurve(contentsOf: paths.metrics) : nil
    facts = try RunFacts.found(in: paths.final)
    evaluation = try EvaluationRecord(contentsOf: paths)
  }

  /// Reads run folders in this order; runs of the same name get their folders added.
  /// - Throws: as above; `Fault` .usage when a folder comes twice.
  package static func load(_ folders: [String]) throws -> [RunRecord] {
    var seen: Set<String> = []
    for folder in folders {
      let place = URL(fileURLWithPath: folder).resolvingSymlinksInPath().standardizedFileURL.path
      guard seen.insert(place).inserted else {
        throw Fault(.usage, file: folder, "given twice; expected each run once")
      }
    }
    var runs = try folders.map(RunRecord.init)
    let counts = Dictionary(runs.map { ($0.name, 1) }, uniquingKeysWith: +)
    for index in runs.indices where counts[runs[index].name] != 1 {
      runs[index].name += " (\(runs[index].directory))"
    }
    return runs
  }

  /// Whether it is the untouched model.
  package var isBase: Bool { configuration.method == .none }

  /// How far the run has come.
  package enum State: String, Sendable { case untrained, unfinished, finished }
  package var state: State { isBase ? .untrained : facts == nil ? .unfinished : .finished }

  /// All parameters with the adapter's, and the trained ones; nil before the run is finished.
  package var parameters: (total: Int, trainable: Int)? {
    guard let facts, facts.baseParameters >= 0, facts.trainableParameters >= 0 else { return nil }
    let added = configuration.method == .lora ? facts.trainableParameters : 0
    let (total, overflow) = facts.baseParameters.addingReportingOverflow(added)
    return overflow ? nil : (total, facts.trainableParameters)
  }
}
