import ArgumentParser
import Files
import FineTuning

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
    let configuration = try RunConfiguration.load(path: config, overrides: overrides)
    let session = try TrainingSession(configuration, file: config, Console.listener(quiet: quiet))
    try Console.result(dryRun ? session.dryRun() : session.run())
  }
}
