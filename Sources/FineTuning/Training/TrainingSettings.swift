import Gemma
import Tensors

// The settings of the training loop's parts that follow from a configuration.

extension TrainedParameters {
  /// The parameters that a method trains.
  package init(_ method: RunConfiguration.Method) {
    self = method == .lora ? .adapters : .all
  }
}

extension Batcher {
  /// The batches of a configuration.
  init(_ configuration: RunConfiguration, exampleCount: Int) {
    self.init(
      exampleCount: exampleCount, perDeviceBatchSize: configuration.train.perDeviceBatchSize,
      gradientAccumulationSteps: configuration.train.gradientAccumulationSteps,
      shuffle: configuration.data.shuffle
        ? RandomKey(seed: configuration.run.seed, stream: RandomStream.dataOrder) : nil)
  }
}

extension LearningRateSchedule {
  /// The schedule of a run of `steps` optimizer steps.
  init(_ train: RunConfiguration.TrainSection, steps: Int) {
    self.init(
      shape: train.schedule, learningRate: train.learningRate, minLearningRate: train.minLearningRate,
      warmupRatio: train.warmupRatio, steps: steps)
  }
}

extension AdamW.Settings {
  /// The optimizer of a configuration.
  package init(_ run: RunConfiguration) {
    let optimizer = run.optimizer
    let update: AdamW.LowPrecisionUpdate =
      switch optimizer.lowPrecisionUpdate {
      case .master: .master
      case .stochastic: .stochastic(RandomKey(seed: run.run.seed, stream: RandomStream.rounding))
      case .nearest: .nearest
      }
    self.init(
      eightBit: optimizer.name == .adamw8bit, beta1: Float(optimizer.betas.beta1),
      beta2: Float(optimizer.betas.beta2), epsilon: Float(optimizer.epsilon),
      weightDecay: Float(optimizer.weightDecay), lowPrecisionUpdate: update)
  }
}

/// The random streams of a run, told apart by number. Adding one never changes the others.
enum RandomStream {
  static let dataOrder: UInt64 = 1
  static let dropout: UInt64 = 2
  static let weights: UInt64 = 3
  static let adapter: UInt64 = 4
  static let rounding: UInt64 = 5
}
