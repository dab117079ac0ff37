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
  /// Name and storage of each trained parameter, and its float32 gradient.
  private let parameters: [(name: String, tensor: Tensor)]
  private let gradients: [Tensor]
  /// Optimizer steps of the whole run.
  package let steps: Int

  /// A trainer of the parameters that `configuration.method` names; they must be writable.
  package init(
    _ model: GemmaModel, _ examples: [TrainingExample], _ configuration: RunConfiguration,
    _ kernels: any Kernels
  ) {
    self.configuration = configuration
    self.kernels = kernels
    self.model = model
    self.examples = examples
    trained = TrainedParameters(configuration.method)
    batcher = Batcher(configuration, exampleCount: examples.count)
    steps = TrainingPlan.steps(configuration.train, batcher)
    schedule = LearningRateSchedule(configuration.train, steps: steps)
    parameters = model.parameters(trained)
    gradients = parameters.map { Tensor(zeros: $0.tensor.shape, .float32) }
    optimizer = AdamW(AdamW.Settings(configuration), parameters, kernels)
  }

  /// Runs all steps. `onStep` is called after each; what it throws ends the run.
  /// - Throws: `Fault` .failure when the loss or a gradient is not finite, or a parameter gets no gradient.
  package func run(onStep: (StepMetrics) throws -> Void) throws {
    var step = 0
    for epoch in 0..<configuration.train.epochs {
      var samples = 0
      for passes in batcher.steps(epoch: epoch) {
        if step == steps { return }
        step += 1
        var metrics = try perform(step, passes.map(batch))
        samples += metrics.samples
        metrics.epoch = Double(epoch) + Double(samples) / Double(examples.count)
        try onStep(metrics)
      }
    }
  }

  private func batch(_ indices: [Int]) -> TokenBatch {
    var batch = TokenBatch()
    for index in indices { batch.append(examples[index].tokens, promptLength: examples[index].promptLength) }
    return batch
  }

  /// One optimizer step over several passes, which count as one batch.
  private func perform(_ step: Int, _ batches: [TokenBatch]) throws -> StepMetrics {
    let watch = Stopwatch()
    let targetCount = batches.reduce(0) { $0 + $1.targetCount }
    let lossSum = accumulateGradients(step, batches, gradientScale: 1 / Float(targetCount))
    let norms = gradients.map(kernels.sumOfSquares)
    let norm = norms.reduce(0, +).squareRoot()
    try requireSound(step, loss: lossSum, norms: norms)
    let rate = schedule.learningRate(step: step)
    let changed = optimizer.apply(
      gradients, learningRate: rate,
      gradientScale: AdamW.clipCoefficient(norm: norm, maxNorm: configuration.train.maxGradientNorm))
    return StepMetrics(
      step: step, epoch: 0, loss: lossSum / Double(targetCount), learningRate: rate, gradientNorm: norm,
      changedShare: Double(changed.reduce(0, +)) / Double(parameters.reduce(0) { $0 + $1.tensor.count }),
      tokens: batches.reduce(0) { $0 + $1.tokenCount }, targetTokens: targetCount,
      samples: batches.reduce(0) { $0 + $1.sequenceCount }, stepSeconds: watch.seconds,
      peakMemoryBytes: ProcessMemory.peakBytes)
  }

  /// Forward and backward over all passes.  - Returns: the summed loss, in nats.
  private func accumulateGradients(_ step: Int, _ batches: [TokenBatch], gradientScale: Float) -> Double {
    for gradient in gradients {
      gradient.bytes.initializeMemory(as: UInt8.self, repeating: 0, count: gradient.byteCount)
    }
    let key = RandomKey(seed: configuration.run.seed, stream: RandomStream.dropout).derived(UInt64(step))
    return batches.enumerated().reduce(0.0) { sum, pass in
      let tape = Tape()
      let loss = model.watched(trained, on: tape, gradients: gradients).loss(
        pass.element, Operations(kernels, tape: tape), gradientScale: gradientScale,
        checkpointing: configuration.train.gradientCheckpointing == .always,
        dropout: key.derived(UInt64(pass.offset)))
      tape.backward(from: loss.lossSum, seed: Tensor([1], [1]), kernels)
      return sum + Double(loss.lossSum.floats[0])
    }
  }

  /// NaN and infinity never reach the weights, and a parameter without a gradient is a fault of the program that no
  /// loss curve shows. A of an adapter has none as long as B is zero.
  private func requireSound(_ step: Int, loss: Double, norms: [Double]) throws {
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
