import Gemma
import Tensors

/// What a training run will do and need. `--dry-run` prints it, and the log begins with it.
package struct TrainingPlan: Sendable {
  /// Optimizer steps, of which `warmupSteps` warm up.
  package var steps: Int
  package var warmupSteps: Int
  /// Examples, their tokens and target tokens, and the tokens of the longest.
  package var exampleCount: Int, tokenCount: Int, targetCount: Int, longest: Int
  /// Number of examples over the length limit that were dropped, and that were cut.
  package var droppedCount: Int, truncatedCount: Int
  /// Number of parameters of the base model, and of trained parameters.
  package var baseParameters: Int, trainableParameters: Int
  /// Rows of the embedding.
  package var vocabularySize: Int
  /// A note where the model has fewer positions than the length limit; otherwise nil.
  private let lengthNote: String?
  /// Number of parameters that an adapter adds to the base model's; 0 without.
  private let adapterParameters: Int
  /// How the run fits into the memory of the machine.
  package var fit: MemoryFit
  /// Whether adapter dropout prevents merging micro-batches.
  private let keepsMicroBatchesApart: Bool

  /// The plan of a configuration for a model and its data.
  /// - Parameter room: the memory budget of the run.
  package init(
    _ configuration: RunConfiguration, _ model: ModelConfiguration, _ data: TrainingData, _ room: MemoryRoom
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
    baseParameters = model.parameterCount()
    vocabularySize = model.vocabSize
    let (length, positions) = (configuration.train.maxLength, model.maxPositionEmbeddings)
    lengthNote =
      length > positions
      ? "length      train.max_length = \(length) is more than max_position_embeddings = \(positions), which bounds it"
      : nil
    adapterParameters =
      configuration.method == .lora
      ? GemmaModel.adapterParameterCount(
        model, rank: configuration.lora.rank, targets: configuration.lora.targets) : 0
    trainableParameters = configuration.method == .lora ? adapterParameters : baseParameters
    let demand = MemoryDemand(configuration, model, data, room)
    fit = demand.fitted(into: room)
    keepsMicroBatchesApart = demand.keepsMicroBatchesApart(room)
  }

  /// Optimizer steps of a configuration over this many examples: those of all epochs, of which the last may
  /// be partial, but no more than `max_steps`. Source: transformers 5.23 trainer.py,
  /// set_initial_training_values.
  package static func steps(_ train: RunConfiguration.TrainSection, _ batcher: Batcher) -> Int {
    let epochs = Int(exactly: train.epochs)?.multipliedReportingOverflow(by: batcher.stepsPerEpoch)
    let parts = (train.epochs * Double(batcher.stepsPerEpoch)).rounded(.up)
    let all = epochs.flatMap { $0.overflow ? nil : $0.partialValue } ?? Int(exactly: parts) ?? .max
    return min(train.maxSteps ?? .max, all)
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
      memory      \(fit.memory.text)
      """ + (lengthNote.map { "\n\($0)" } ?? "") + mergingText
  }

  /// How many micro-batches of a step are merged, if they can be.
  private var mergingText: String {
    if keepsMicroBatchesApart {
      return "\nbatches     not merged: lora.dropout draws a mask for each micro-batch"
    }
    if fit.forwardCount == fit.microBatchCount { return "" }
    return "\nbatches     \(fit.microBatchCount) micro-batches merged into \(fit.forwardCount)"
  }
}
