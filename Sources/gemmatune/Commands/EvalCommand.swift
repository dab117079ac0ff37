import ArgumentParser
import Files
import FineTuning
import GSM8K

/// `gemmatune eval`: answers the questions of a split with a run's weights, or scores saved answers.
struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Evaluate a run, the base model, or saved answers.",
    discussion: """
      With a configuration: its run's final weights, or the untouched base model when method is none. With a run \
      directory: that run, by the configuration saved in it. With --predictions and --references: saved answers, no model.
      """)

  @Argument(
    help: "A configuration (YAML file) or a run directory.", completion: .file(extensions: ["yaml", "yml"]))
  var target: String?

  @Argument(help: ArgumentHelp("Values that win over the file's.", valueName: "key.path=value"))
  var overrides: [String] = []

  @Option(help: "Saved answers to score: JSONL with id (from 0) and completion.", completion: .file())
  var predictions: String?

  @Option(help: "The problems of the saved answers: GSM8K JSONL.", completion: .file())
  var references: String?

  @Flag(help: "Print the summary as one JSON object.")
  var json = false

  @Flag(help: "Show no progress.")
  var quiet = false

  @Flag(help: "Evaluate an adapter also over another base model than it was trained on, with a note.")
  var allowOtherBase = false

  func validate() throws {
    guard (predictions == nil) == (references == nil) else {
      throw ValidationError("--predictions and --references go together")
    }
    guard (target == nil) == (predictions != nil) else {
      throw ValidationError("expected either a configuration or run, or --predictions with --references")
    }
    guard !allowOtherBase || predictions == nil else {
      throw ValidationError("--allow-other-base: saved answers have no base model")
    }
  }

  func run() throws {
    if let predictions, let references {
      return try scoreSaved(predictions, references)
    }
    guard let target else { return }
    let configuration =
      isDirectory(target)
      ? try RunConfiguration.load(savedIn: target, overrides: overrides)
      : try RunConfiguration.load(path: target, overrides: overrides)
    if allowOtherBase, configuration.method != .lora {
      throw Fault(
        .usage, file: "command line", place: "--allow-other-base",
        "nothing to allow, the method is \(configuration.method.rawValue); expected a run of method lora")
    }
    let session = try EvaluationSession(
      configuration, otherBase: allowOtherBase ? .allowed : .refused, Console.listener(quiet: quiet))
    let summary = try session.run()
    try Console.result(json ? summary.json.text() : summary.score.map(\.text) ?? "")
  }

  private func scoreSaved(_ predictions: String, _ references: String) throws {
    let score = Score(of: try scoredPredictions(predictionsFile: predictions, referencesFile: references))
    try Console.result(json ? JSONValue.object(score.json).text() : score.text)
  }
}
