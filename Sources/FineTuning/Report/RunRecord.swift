import Files
import FoundationEssentials

/// What a run's folder says about the run so far.
package struct RunRecord: Sendable {
  /// The folder as it was given, without slashes at its end.
  package let directory: String
  /// The run's name in the report: the configuration's, with the folder where several runs share the name.
  package private(set) var name: String
  package let configuration: RunConfiguration
  /// The training steps; nil before the first step is done.
  package let training: TrainingCurve?
  /// The evaluation; nil before the first one.
  package let evaluation: EvaluationRecord?
  /// The facts beside the finished weights; nil before these are written.
  let facts: RunFacts?

  /// Reads a run's folder. Nothing in it is changed or locked.
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

  /// Reads run folders in this order. Runs that share a name get their folders added.
  /// - Throws: the faults of `init(contentsOf:)`, and `Fault` .usage when a folder comes twice.
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

  /// Whether the run is the untouched base model.
  package var isBase: Bool { configuration.method == .none }

  /// How far a run has come.
  package enum State: String, Sendable { case untrained, unfinished, finished }
  package var state: State { isBase ? .untrained : facts == nil ? .unfinished : .finished }

  /// Number of all parameters, the adapter's included, and of trained ones; nil before the run is finished.
  package var parameters: (total: Int, trainable: Int)? {
    guard let facts, facts.baseParameters >= 0, facts.trainableParameters >= 0 else { return nil }
    let added = configuration.method == .lora ? facts.trainableParameters : 0
    let (total, overflow) = facts.baseParameters.addingReportingOverflow(added)
    return overflow ? nil : (total, facts.trainableParameters)
  }
}
