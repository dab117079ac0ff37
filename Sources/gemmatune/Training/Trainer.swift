import Files
import Gemma
import Tensors

/// The training loop: batches in, weights updated in place, one `StepMetrics` out for each optimizer step.
package struct Trainer {
  private let configuration: RunConfiguration
  private let kernels: any Kernels
  private let model: GemmaModel
  private let trained: TrainedParameters
  private let examples: [TrainingExample]
  private let batcher: Batcher
  private let schedule: LearningRateSchedule
  private let optimizer: AdamW
  /// Name and storage of each trained parameter, and its gradient.
  private let parameters: [(name: String, tensor: Tensor)]
  private let gradients: Gradients
  /// Optimizer steps of the whole run.
  package let steps: Int
  /// Passes of an optimizer step that are one forward pass.
  private let mergedPasses: Int

  /// A trainer of the parameters that `configuration.method` names; they must be writable.
  /// - Parameter mergedPasses: how many passes of an optimizer step are computed as one at the most.
  /// - Throws: `Fault` .unavailable when a device has no memory for gradients and optimizer.
  package init(
    _ model: GemmaModel, _ examples: [TrainingExample], _ configuration: RunConfiguration,
    _ kernels: any Kernels, mergedPasses: Int = 1
  ) throws {
    self.mergedPasses = mergedPasses
    self.configuration = configuration
    self.kernels = kernels
    self.model = model
    self.examples = examples
    trained = TrainedParameters(configuration.method)
    batcher = Batcher(configuration, exampleCount: examples.count)
    steps = TrainingPlan.steps(configuration.train, batcher)
    schedule = LearningRateSchedule(configuration.train, steps: steps)
    parameters = model.parameters(trained)
    WorkUnderWay.begin(.gradients, configuration)
    gradients = Gradients(
      parameters, passes: (batcher.passesPerStep + mergedPasses - 1) / mergedPasses, kernels)
    try kernels.check(.gradients, configuration)
    WorkUnderWay.begin(.optimizer, configuration)
    optimizer = AdamW(AdamW.Settings(configuration), parameters, kernels)
    try kernels.check(.optimizer, configuration)
  }

  /// Runs all steps. `onStep` is called after each; what it throws ends the run.
  ///
  /// What a step gave is read when the next one has been handed to a device, so that it never waits for the host.
  /// - Throws: `Fault` .failure when the loss or a gradient is not finite, or a parameter gets no gradient.
  package func run(onStep: (StepMetrics) throws -> Void) throws {
    var begun: BegunStep?
    var sinceLast = Stopwatch()
    var step = 0
    var epoch = 0
    while step < steps {
      var samples = 0
      for passes in batcher.steps(epoch: epoch).prefix(steps - step) {
        step += 1
        var next = try begin(step, merged(passes).map(batch))
        samples += next.samples
        next.epoch = Double(epoch) + Double(samples) / Double(examples.count)
        if let done = begun.take() { try onStep(finished(done, &sinceLast)) }
        begun = next
        if kernels.place == .host, let done = begun.take() { try onStep(finished(done, &sinceLast)) }
      }
      epoch += 1
    }
    if let begun { try onStep(finished(begun, &sinceLast)) }
  }

  /// The passes of a step, several as one.
  private func merged(_ passes: [[Int]]) -> [[Int]] {
    stride(from: 0, to: passes.count, by: mergedPasses).map { first in
      passes[first..<min(passes.count, first + mergedPasses)].flatMap { $0 }
    }
  }

  private func batch(_ indices: [Int]) -> TokenBatch {
    var batch = TokenBatch()
    for index in indices { batch.append(examples[index].tokens, promptLength: examples[index].promptLength) }
    return batch
  }

  /// A step whose work has been handed out, and whose results may still be on their way.
  private struct BegunStep {
    var step: Int
    var epoch = 0.0
    var learningRate: Double
    var tokens: Int, targetTokens: Int, samples: Int
    /// Summed loss of each pass, in nats.
    var losses: [FetchedTensor]
    /// Norm of each gradient, and of all.
    var norms: FetchedTensor
    /// Weights of each parameter that changed.
    var changed: FetchedTensor
    var watch: Stopwatch
  }

  /// One optimizer step over several passes, which count as one batch.
  /// - Throws: `Fault` when the device has no memory for it.
  private func begin(_ step: Int, _ batches: [TokenBatch]) throws -> BegunStep {
    let watch = Stopwatch()
    WorkUnderWay.begin(.activations(step: step), configuration)
    let targetCount = batches.reduce(0) { $0 + $1.targetCount }
    let losses = accumulateGradients(step, batches, gradientScale: 1 / Float(targetCount))
    try kernels.checkMemory(.activations(step: step), configuration)
    let norms = kernels.gradientNorms(
      gradients.tensors, maxNorm: configuration.train.maxGradientNorm ?? .infinity)
    let rate = schedule.learningRate(step: step)
    let changed = optimizer.apply(gradients.tensors, learningRate: rate, clip: norms.clip)
    try kernels.checkMemory(.optimizer, configuration)
    return BegunStep(
      step: step, learningRate: rate, tokens: batches.reduce(0) { $0 + $1.tokenCount },
      targetTokens: targetCount, samples: batches.reduce(0) { $0 + $1.sequenceCount },
      losses: losses.map(kernels.fetch), norms: kernels.fetch(norms.norms), changed: kernels.fetch(changed),
      watch: watch)
  }

  /// The metrics of a step, once its results are there: it took the time since it began or, if that was later, since
  /// the results of the one before.
  /// - Throws: `Fault`.
  private func finished(_ begun: BegunStep, _ sinceLast: inout Stopwatch) throws -> StepMetrics {
    let lossSum = begun.losses.reduce(0.0) { $0 + Double($1.tensor.floats[0]) }
    let norms = begun.norms.tensor.floats
    let changed = begun.changed.tensor.ints.reduce(0) { $0 + Int($1) }
    try kernels.check(.step(begun.step), configuration)
    try requireSound(begun.step, loss: lossSum, norms: norms)
    let seconds = min(begun.watch.seconds, sinceLast.seconds)
    sinceLast = Stopwatch()
    return StepMetrics(
      step: begun.step, epoch: begun.epoch, loss: lossSum / Double(begun.targetTokens),
      learningRate: begun.learningRate, gradientNorm: Double(norms[parameters.count]),
      changedShare: Double(changed) / Double(parameters.reduce(0) { $0 + $1.tensor.count }),
      tokens: begun.tokens, targetTokens: begun.targetTokens, samples: begun.samples,
      stepSeconds: seconds, peakMemoryBytes: kernels.peakMemoryBytes)
  }

  /// Forward and backward over all passes.  - Returns: the summed loss of each, in nats.
  private func accumulateGradients(
    _ step: Int, _ batches: [TokenBatch], gradientScale: Float
  ) -> [Tensor] {
    gradients.begin(kernels)
    let key = RandomKey(seed: configuration.run.seed, stream: RandomStream.dropout).derived(UInt64(step))
    return batches.enumerated().map { index, batch in
      let tape = Tape()
      let loss = model.watched(trained, on: tape, gradients, pass: index).loss(
        batch, Operations(kernels, tape: tape), gradientScale: gradientScale,
        checkpointing: configuration.train.gradientCheckpointing == .always,
        dropout: key.derived(UInt64(index)))
      tape.backward(from: loss.lossSum, seed: Tensor([1], [1]), kernels)
      return loss.lossSum
    }
  }

  /// NaN and infinity never reach the weights, and a parameter without a gradient is a fault of the program that no
  /// loss curve shows. A of an adapter has none as long as B is zero.
  private func requireSound(_ step: Int, loss: Double, norms: [Float]) throws {
    let place = "step \(step)"
    guard loss.isFinite else {
      throw Fault(
        .failure, "\(place): the loss is \(loss.isNaN ? "not a number" : "\(loss)"); training diverged",
        hint: "lower train.learning_rate, or look at the data of this step")
    }
    for (parameter, norm) in zip(parameters, norms) where !norm.isFinite {
      throw Fault(.failure, "\(place): \(parameter.name): the gradient is not finite; training diverged")
    }
    for (parameter, norm) in zip(parameters, norms)
    where step == 1 && norm == 0 && !WeightNames.isAdapterA(parameter.name) {
      throw Fault(.failure, "\(place): \(parameter.name): no gradient arrived")
    }
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
