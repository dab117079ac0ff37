import ArgumentParser
import Files
import GSM8K
import Gemma
import Tensors

/// `gemmatune train`: from a configuration to a run directory with finished weights.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train the run that a configuration describes.",
    discussion: "Exit status: 0 done, 65/66 bad/missing input, 73/74 output, 75 run in use, 78 configuration."
  )

  @Argument(help: "The run's configuration, a YAML file.", completion: .file(extensions: ["yaml", "yml"]))
  var config: String

  @Argument(help: ArgumentHelp("Values that win over the file's.", valueName: "key.path=value"))
  var overrides: [String] = []

  @Flag(help: "Print the plan (configuration, counts, memory) and stop; nothing is written.")
  var dryRun = false

  @Flag(help: "Show no progress.")
  var quiet = false

  func run() throws {
    let session = try TrainingSession(
      RunConfiguration.load(path: config, overrides: overrides), file: config)
    let configuration = session.configuration
    if dryRun {
      return try Console.result("\(configuration.resolvedYAML())\n\(session.plan.text)")
    }
    try RunDirectory.requireUnused(configuration.run.directory)
    let (model, adapter) = try session.openModel()
    let directory = try RunDirectory(locking: configuration.run.directory)
    // Once more: another process may have come in between.
    try directory.requireUnused()
    let log = try TrainingLog(directory, configuration, session.plan, quiet: quiet)
    let trainer = Trainer(model, session.data.examples, configuration, session.kernels)
    log.note("training on \(session.kernels.summary)")
    try trainer.run { try log.record($0) }
    try session.save(model, adapter, to: directory)
    try log.finish()
    try Console.result(directory.finalFolder)
  }
}
