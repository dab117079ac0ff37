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
    var configuration = try RunConfiguration.load(path: config, overrides: overrides)
    let session = try TrainingSession(configuration, file: config)
    if dryRun { return try Console.result(dryRunText(configuration, session)) }
    try RunDirectory.requireUnused(configuration.run.directory)
    let (device, kernels) = try ComputeDevice.opened(configuration)
    let plan = try session.plan(on: device)
    if let refusal = plan.fit.refusal { throw refusal }
    configuration = session.decided(by: plan)
    WorkUnderWay.begin(.weights, configuration)
    let (model, adapter) = try session.openModel(kernels)
    let directory = try RunDirectory(locking: configuration.run.directory)
    // Once more: another process may have come in between.
    try directory.requireUnused()
    let log = try TrainingLog(
      directory, configuration, plan,
      computedBy: ["training on \(kernels.summary)"] + device.notes + session.notes,
      quiet: quiet)
    let trainer = try Trainer(
      model, session.data.examples, configuration, kernels, mergedMicroBatches: plan.fit.mergedMicroBatches)
    try trainer.run { try log.record($0) }
    WorkUnderWay.begin(.saving, configuration)
    try session.save(model, adapter, plan, kernels, to: directory)
    try log.finish(kernels)
    try Console.result(directory.paths.final)
  }

  private func dryRunText(_ configuration: RunConfiguration, _ session: TrainingSession) throws -> String {
    let device = try ComputeDevice.found(configuration)
    let plan = try session.plan(on: device)
    let resolved = session.decided(by: plan).resolvedYAML()
    let refusal = plan.fit.refusal.map { fault in
      "\n            does not fit: \(fault.message)" + (fault.hint.map { "\n            hint: \($0)" } ?? "")
    }
    return "\(resolved)\n\(plan.text)\(refusal ?? "")\n\(device.text)"
  }
}
