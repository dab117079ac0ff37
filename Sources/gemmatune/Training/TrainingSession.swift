import Files
import GSM8K
import Gemma
import Tensors

/// One training run from configuration to finished weights: what `gemmatune train` prepares, and what it saves.
struct TrainingSession {
  /// The encoded examples.
  let data: TrainingData
  /// What will be done and needed.
  let plan: TrainingPlan
  /// The run's configuration, `gradient_checkpointing: auto` decided.
  let configuration: RunConfiguration
  private let setup: ModelSetup
  private let prompt: Prompt

  /// What computes.
  var kernels: any Kernels { setup.kernels }

  /// Reads the data and the model's headers, never the weights.
  /// - Throws: `Fault`; nothing has been written.
  init(_ configuration: RunConfiguration, file: String) throws {
    guard configuration.method != .none else {
      throw Fault(
        .configuration, file: file, place: "method", "nothing to train, got none; expected full or lora",
        hint: "gemmatune eval evaluates the untouched base model")
    }
    setup = try ModelSetup(configuration)
    _ = try setup.savedAdapter()
    prompt = try Prompt(PromptWording(training: configuration), setup.tokenizer, setup.configuration)
    let variant = configuration.data.variant
    let (folder, split) = (configuration.data.path, configuration.data.split.rawValue)
    let problems = try loadProblems(
      folder: folder, split: split, variant: variant, limit: configuration.data.limit)
    data = try TrainingData(
      problems, prompt, configuration, file: try problemFile(folder: folder, split: split, variant: variant))
    plan = TrainingPlan(configuration, setup, data)
    var decided = configuration
    decided.train.gradientCheckpointing = plan.gradientCheckpointing
    self.configuration = decided
  }

  /// Opens the weights.
  /// - Returns: the model with its trainable parameters, and the adapter among them.
  /// - Throws: `Fault`.
  func openModel() throws -> (model: GemmaModel, adapter: AdapterWeights?) { try setup.trainableModel() }

  /// Writes the trained weights, or the adapter, to the run's `final` folder, whole or not at all.
  /// - Throws: `Fault` .cannotCreate or .cannotWrite.
  func save(_ model: GemmaModel, _ adapter: AdapterWeights?, to directory: RunDirectory) throws {
    let facts = RunFacts(
      promptHash: prompt.hash, baseModel: configuration.model.path, method: configuration.method.rawValue,
      kernels: kernels.summary, steps: plan.steps, baseParameters: plan.baseParameters,
      trainableParameters: plan.trainableParameters)
    let extra = [(name: RunFacts.fileName, text: facts.json.text(indent: 2) + "\n")]
    if let adapter {
      try adapter.onHost(kernels).write(
        to: directory.finalFolder, baseModel: configuration.model.path, extra: extra)
    } else {
      try CheckpointFiles.write(
        model.parameters(.all).map { ($0.name, kernels.onHost($0.tensor)) }, base: configuration.model.path,
        to: directory.finalFolder, extra: extra)
    }
  }
}
