import Files
import Gemma
import Tensors

/// The training loop: batches in, weights updated in place, one `StepMetrics` out for each optimizer step.
package struct Trainer {
  private let configuration: RunConfiguration
  private let kernels: any Kernels
  private let examples: [TrainingExample]
  private let batcher: Batcher
  private let schedule: LearningRateSchedule
  private let training: TrainingStep
  /// Optimizer steps of the whole run.
  package let steps: Int
  /// How many micro-batches of an optimizer step are computed as one.
  private let mergedMicroBatches: Int

  /// A trainer of the parameters that `configuration.method` names. They must be writable.
  /// - Parameter mergedMicroBatches: most micro-batches of an optimizer step that are computed as one.
  /// - Throws: `Fault` .unavailable when a device has no memory for gradients and optimizer.
  package init(
    _ model: GemmaModel, _ examples: [TrainingExample], _ configuration: RunConfiguration,
    _ kernels: any Kernels, mergedMicroBatches: Int = 1
  ) throws {
    self.mergedMicroBatches = mergedMicroBatches
    self.configuration = configuration
    self.kernels = kernels
    self.examples = examples
    let trained = TrainedParameters(configuration.method)
    batcher = Batcher(configuration, exampleCount: examples.count)
    steps = TrainingPlan.steps(configuration.train, batcher)
    schedule = LearningRateSchedule(configuration.train, steps: steps)
    let parameters = model.parameters(trained)
    WorkUnderWay.begin(.gradients, configuration)
    let forwards = (batcher.microBatchesPerStep + mergedMicroBatches - 1) / mergedMicroBatches
    let gradients = Gradients(parameters, microBatches: forwards, kernels)
    try kernels.check(.gradients, configuration)
    WorkUnderWay.begin(.optimizer, configuration)
    let optimizer = AdamW(AdamW.Settings(configuration), parameters, kernels)
    try kernels.check(.optimizer, configuration)
    training = TrainingStep(model, trained, gradients, optimizer, kernels)
  }

  /// Runs all steps. Calls `onStep` after each; an error that it throws ends the run.
  /// - Throws: `Fault` .failure when the loss or a gradient is not finite, or a parameter gets no gradient.
  package func run(onStep: (StepMetrics) throws -> Void) throws {
    try withoutActuallyEscaping(onStep) { onStep in
      var sinceLast = Stopwatch()
      var reading = LateReading<BegunStep>(kernels.place) { try onStep(finished($0, &sinceLast)) }
      var step = 0
      var epoch = 0
      while step < steps {
        var samples = 0
        for microBatches in batcher.steps(epoch: epoch).prefix(steps - step) {
          step += 1
          var next = try begin(step, merged(microBatches).map(batch))
          samples += next.loss.sequenceCount
          next.epoch = Double(epoch) + Double(samples) / Double(examples.count)
          try reading.queued(next)
        }
        epoch += 1
      }
      try reading.finish()
    }
  }

  /// The micro-batches of a step, merged into fewer.
  private func merged(_ microBatches: [[Int]]) -> [[Int]] {
    stride(from: 0, to: microBatches.count, by: mergedMicroBatches).map { first in
      microBatches[first..<min(microBatches.count, first + mergedMicroBatches)].flatMap { $0 }
    }
  }

  private func batch(_ indices: [Int]) -> TokenBatch {
    var batch = TokenBatch()
    for index in indices { batch.append(examples[index].tokens, promptLength: examples[index].promptLength) }
    return batch
  }

  /// A step in flight: its work has been queued, and its results may still be on their way.
  private struct BegunStep {
    var step: Int
    var epoch = 0.0
    var learningRate: Double
    var loss: BatchLoss
    var update: WeightUpdate
    var watch: Stopwatch
  }

  /// Queues one optimizer step.
  /// - Throws: `Fault` when the device has no memory for it.
  private func begin(_ step: Int, _ microBatches: [TokenBatch]) throws -> BegunStep {
    let watch = Stopwatch()
    WorkUnderWay.begin(.activations(step: step), configuration)
    let dropout = RandomKey(seed: configuration.run.seed, stream: RandomStream.dropout)
    let loss = training.forwardBackward(
      microBatches, checkpointing: configuration.train.gradientCheckpointing == .always,
      dropout: dropout.derived(UInt64(step)))
    try kernels.checkMemory(.activations(step: step), configuration)
    let rate = schedule.learningRate(step: step)
    let update = training.optimizerStep(
      learningRate: rate, maxNorm: configuration.train.maxGradientNorm ?? .infinity)
    try kernels.checkMemory(.optimizer, configuration)
    return BegunStep(step: step, learningRate: rate, loss: loss, update: update, watch: watch)
  }

  /// The metrics of a step, once its results are there. Its time runs from its beginning or, if that was
  /// later, from the results of the step before.
  /// - Throws: `Fault`.
  private func finished(_ begun: BegunStep, _ sinceLast: inout Stopwatch) throws -> StepMetrics {
    let lossSum = begun.loss.sum()
    let norms = begun.update.gradientNorms()
    let changed = begun.update.changedCount()
    try kernels.check(.step(begun.step), configuration)
    try requireSound(begun.step, loss: lossSum, norms: norms)
    let seconds = min(begun.watch.seconds, sinceLast.seconds)
    sinceLast = Stopwatch()
    return StepMetrics(
      step: begun.step, epoch: begun.epoch, loss: lossSum / Double(begun.loss.targetCount),
      learningRate: begun.learningRate, gradientNorm: Double(norms[training.parameters.count]),
      changedShare: Double(changed) / Double(training.parameters.reduce(0) { $0 + $1.tensor.count }),
      tokens: begun.loss.tokenCount, targetTokens: begun.loss.targetCount, samples: begun.loss.sequenceCount,
      stepSeconds: seconds, peakMemoryBytes: kernels.peakMemoryBytes)
  }

  /// Refuses NaN, infinity and a parameter without a gradient. NaN and infinity never reach the weights. A
  /// missing gradient is a fault of the program that no loss curve shows; only A of an adapter has none as
  /// long as B is zero.
  private func requireSound(_ step: Int, loss: Double, norms: [Float]) throws {
    let place = "step \(step)"
    guard loss.isFinite else {
      throw Fault(
        .failure, "\(place): the loss is \(loss.isNaN ? "not a number" : "\(loss)"); training diverged",
        hint: "lower train.learning_rate, or look at the data of this step")
    }
    for (parameter, norm) in zip(training.parameters, norms) where !norm.isFinite {
      throw Fault(.failure, "\(place): \(parameter.name): the gradient is not finite; training diverged")
    }
    guard step == 1 else { return }
    for (parameter, norm) in zip(training.parameters, norms) where norm == 0 {
      if case .adapterA = parameter.role { continue }
      throw Fault(.failure, "\(place): \(parameter.name): no gradient arrived")
    }
  }
}
