import Gemma
import Tensors

/// What a training run will do and need: `--dry-run` prints it, and the log begins with it.
package struct TrainingPlan: Sendable {
  /// Optimizer steps, of which `warmupSteps` warm up.
  package var steps: Int
  package var warmupSteps: Int
  /// Examples, their tokens and target tokens, and the tokens of the longest.
  package var exampleCount: Int, tokenCount: Int, targetCount: Int, longest: Int
  /// Examples over the length limit that were left out, and that were cut.
  package var droppedCount: Int, truncatedCount: Int
  /// Parameters of the base model, and those that are trained.
  package var baseParameters: Int, trainableParameters: Int
  /// Parameters that an adapter adds to the base model's; 0 without.
  private let adapterParameters: Int
  /// Predicted peak memory.
  package var memory: MemoryPlan
  /// Whether layers are computed again for their gradients: `always` or `never`.
  package var gradientCheckpointing: RunConfiguration.TrainSection.GradientCheckpointing

  /// The plan of a configuration for a model and its data.
  /// - Parameter availableBytes: memory that is free, for `gradient_checkpointing: auto`.
  package init(
    _ configuration: RunConfiguration, _ setup: ModelSetup, _ data: TrainingData,
    availableBytes: Int = ProcessMemory.availableBytes
  ) {
    let batcher = Batcher(configuration, exampleCount: data.examples.count)
    steps = Self.steps(configuration.train, batcher)
    warmupSteps = LearningRateSchedule(configuration.train, steps: steps).warmupSteps
    exampleCount = data.examples.count
    tokenCount = data.tokenCount
    targetCount = data.targetCount
    longest = data.longest
    droppedCount = data.droppedCount
    truncatedCount = data.truncatedCount
    baseParameters = setup.configuration.parameterCount()
    adapterParameters =
      configuration.method == .lora
      ? GemmaModel.adapterParameterCount(
        setup.configuration, rank: configuration.lora.rank, targets: configuration.lora.targets) : 0
    trainableParameters = configuration.method == .lora ? adapterParameters : baseParameters
    gradientCheckpointing = MemoryPlan.resolved(
      configuration, setup, data, trainable: trainableParameters, available: availableBytes)
    var resolved = configuration
    resolved.train.gradientCheckpointing = gradientCheckpointing
    memory = MemoryPlan(resolved, setup, data, trainable: trainableParameters)
  }

  /// Optimizer steps of a configuration over so many examples.
  package static func steps(_ train: RunConfiguration.TrainSection, _ batcher: Batcher) -> Int {
    min(train.maxSteps ?? .max, batcher.stepsPerEpoch * train.epochs)
  }

  /// The plan as lines of text.
  package var text: String {
    let all = baseParameters + adapterParameters
    let share = Double(trainableParameters) / Double(all) * 100
    return """
      examples    \(exampleCount) (\(droppedCount) dropped, \(truncatedCount) truncated), longest \(longest) tokens
      tokens      \(tokenCount) an epoch, \(targetCount) of them targets
      steps       \(steps), the first \(warmupSteps) warming up
      parameters  \(all), trainable \(trainableParameters) (\(share.formatted(decimals: 4)) %)
      memory      \(memory.text)
      """
  }
}
