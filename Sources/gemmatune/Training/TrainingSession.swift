import Files
import GSM8K
import Gemma
import Tensors

/// One training run from configuration to finished weights: what `gemmatune train` prepares, and what it
/// saves.
struct TrainingSession {
  /// The encoded examples.
  let data: TrainingData
  /// What a person should know before the first step.
  let notes: [String]
  private let configuration: RunConfiguration
  private let setup: ModelSetup
  private let prompt: Prompt
  /// The base model's folder, as it is found from anywhere.
  private let baseFolder: String

  /// Reads the data and the model's headers, never the weights.
  /// - Throws: `Fault`; nothing has been written.
  init(_ configuration: RunConfiguration, file: String) throws {
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

  /// Refuses examples that hold the padding token before their end: transformers keeps its embedding from
  /// learning there.
  private func refusePadding() throws {
    guard let padding = setup.configuration.padTokenId else { return }
    guard data.examples.contains(where: { $0.tokens.dropLast().contains(Int32(padding)) }) else { return }
    throw Fault(
      .badData, file: "\(configuration.model.path)/config.json", place: "pad_token_id",
      "got \(padding), which the training examples hold; expected a token that no text becomes")
  }

  /// What will be done and needed on a device.
  /// - Throws: `Fault` .unavailable when it does not tell its memory.
  func plan(on device: ComputeDevice) throws -> TrainingPlan {
    TrainingPlan(configuration, setup.configuration, data, try device.memory(configuration))
  }

  /// The run's configuration, `gradient_checkpointing: auto` decided by its plan.
  func decided(by plan: TrainingPlan) -> RunConfiguration {
    var decided = configuration
    decided.train.gradientCheckpointing = plan.fit.gradientCheckpointing
    return decided
  }

  /// Opens the weights.
  /// - Returns: the model with its trainable parameters, and the adapter among them.
  /// - Throws: `Fault`.
  func openModel(_ kernels: any Kernels) throws -> (model: GemmaModel, adapter: AdapterWeights?) {
    try setup.trainableModel(kernels)
  }

  /// Writes the trained weights, or the adapter, to the run's `final` folder, whole or not at all.
  /// - Throws: `Fault` .cannotCreate or .cannotWrite; .unavailable when they cannot be had from the device.
  func save(
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
