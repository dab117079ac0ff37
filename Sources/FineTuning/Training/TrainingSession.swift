import Files
import GSM8K
import Gemma
import Tensors

/// One training run from configuration to finished weights: what `gemmatune train` does.
package struct TrainingSession {
  private let configuration: RunConfiguration
  private let listener: Listener
  private let setup: ModelSetup
  private let prompt: Prompt
  /// The encoded examples.
  private let data: TrainingData
  /// What the person should know before the first step.
  private let notes: [String]
  /// The base model's folder, as a path valid from any folder.
  private let baseFolder: String

  /// Reads the data and the model's headers, never the weights.
  /// - Throws: `Fault`; nothing has been written.
  package init(_ configuration: RunConfiguration, file: String, _ listener: Listener) throws {
    self.listener = listener
    guard configuration.method != .none else {
      throw Fault(
        .configuration, file: file, place: "method", "nothing to train, got none; expected full or lora",
        hint: "gemmatune eval evaluates the untouched base model")
    }
    setup = try ModelSetup(configuration)
    baseFolder = absolutePath(configuration.model.path)
    _ = try setup.savedAdapter(over: setup.storedFingerprint)
    let begun = try configuration.lora.initializeFrom.map { try AdapterBase(ofAdapterIn: $0) }
    notes = begun.flatMap { $0.isRecorded ? nil : [$0.notRecordedNote] } ?? []
    prompt = try Prompt(PromptWording(training: configuration), setup.tokenizer, setup.configuration)
    let variant = configuration.data.variant
    let (folder, split) = (configuration.data.path, configuration.data.split.rawValue)
    let problems = try loadProblems(
      folder: folder, split: split, variant: variant, limit: configuration.data.limit)
    data = try TrainingData(
      problems, prompt, configuration, file: try problemFile(folder: folder, split: split, variant: variant),
      positions: setup.configuration.maxPositionEmbeddings)
    let steps = TrainingPlan.steps(
      configuration.train, Batcher(configuration, exampleCount: data.examples.count))
    try LearningRateSchedule(configuration.train, steps: steps).requireChange(file: file)
    self.configuration = configuration
    if configuration.method == .full { try refusePadding() }
  }

  /// Refuses examples that hold the padding token before their end, since transformers does not train its
  /// embedding there.
  private func refusePadding() throws {
    guard let padding = setup.configuration.padTokenId else { return }
    guard data.examples.contains(where: { $0.tokens.dropLast().contains(Int32(padding)) }) else { return }
    throw Fault(
      .badData, file: "\(configuration.model.path)/config.json", place: "pad_token_id",
      "got \(padding), which the training examples hold; expected a token that no text becomes")
  }

  /// Trains, and writes the run's folder.
  /// - Returns: the folder of the finished weights.
  /// - Throws: `Fault`. Files written before it stay.
  package func run() throws -> String {
    try RunDirectory.requireUnused(configuration.run.directory)
    let (device, kernels) = try ComputeDevice.opened(configuration)
    let plan = try plan(on: device)
    if let refusal = plan.fit.refusal { throw refusal }
    let decided = decided(by: plan)
    WorkUnderWay.begin(.weights, decided)
    let (model, adapter) = try setup.trainableModel(kernels)
    let directory = try RunDirectory(locking: decided.run.directory)
    // Checked again, because another process may have started a run in the meantime.
    try directory.requireUnused()
    let log = try TrainingLog(
      directory, decided, plan,
      computedBy: ["training on \(kernels.summary)"] + device.notes + notes, listener)
    let trainer = try Trainer(
      model, data.examples, decided, kernels, mergedMicroBatches: plan.fit.mergedMicroBatches)
    try trainer.run { try log.record($0) }
    WorkUnderWay.begin(.saving, decided)
    try save(model, adapter, plan, kernels, to: directory)
    try log.finish(kernels)
    return directory.paths.final
  }

  /// What the run would do and need: configuration, counts, memory, device. Computes and writes nothing.
  /// - Throws: `Fault` .unavailable when a device does not report its memory.
  package func dryRun() throws -> String {
    let device = try ComputeDevice.found(configuration)
    let plan = try plan(on: device)
    let refusal = plan.fit.refusal.map { fault in
      "\n            does not fit: \(fault.message)" + (fault.hint.map { "\n            hint: \($0)" } ?? "")
    }
    return "\(decided(by: plan).resolvedYAML())\n\(plan.text)\(refusal ?? "")\n\(device.text)"
  }

  private func plan(on device: ComputeDevice) throws -> TrainingPlan {
    TrainingPlan(configuration, setup.configuration, data, try device.memory(configuration))
  }

  /// The run's configuration, with `gradient_checkpointing: auto` decided by the plan.
  private func decided(by plan: TrainingPlan) -> RunConfiguration {
    var decided = configuration
    decided.train.gradientCheckpointing = plan.fit.gradientCheckpointing
    return decided
  }

  /// Writes the trained weights, or the adapter, to the run's `final` folder, whole or not at all.
  /// - Throws: `Fault` .cannotCreate or .cannotWrite; .unavailable when the device does not give them back.
  private func save(
    _ model: GemmaModel, _ adapter: AdapterWeights?, _ plan: TrainingPlan, _ kernels: any Kernels,
    to directory: RunDirectory
  ) throws {
    let facts = RunFacts(
      promptHash: prompt.hash, baseModel: configuration.model.path, method: configuration.method.rawValue,
      kernels: kernels.summary, place: kernels.place, steps: plan.steps, baseParameters: plan.baseParameters,
      trainableParameters: plan.trainableParameters, vocabularySize: plan.vocabularySize,
      baseFingerprint: adapter == nil ? nil : try setup.fingerprint(model, kernels))
    let extra = [(name: RunFacts.fileName, text: facts.json.text(indent: 2) + "\n")]
    if let adapter {
      let weights = adapter.onHost(kernels)
      try kernels.check(.saving, configuration)
      try weights.write(to: directory.paths.final, baseModel: baseFolder, extra: extra)
    } else {
      let weights = model.parameters(.all).map { (name: $0.name, tensor: kernels.onHost($0.tensor)) }
      try kernels.check(.saving, configuration)
      try CheckpointFiles.write(
        weights, base: configuration.model.path, to: directory.paths.final, extra: extra)
    }
  }
}
