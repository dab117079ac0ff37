import Tensors

/// One optimizer step of a model, in two calls: `forwardBackward` makes gradients, `optimizerStep` applies
/// them.
///
/// Neither waits for a device. Each returns results that are read later, so that the host can queue the next
/// step before it reads this one. Training loop, benchmark and parity tests all use this step.
package struct TrainingStep {
  /// The trained parameters, in a fixed order.
  package let parameters: [Parameter]
  /// Where `forwardBackward` leaves the gradients of `parameters`.
  package let gradients: Gradients
  /// The optimizer that `optimizerStep` applies them with.
  package let optimizer: AdamW
  private let model: GemmaModel
  private let trained: TrainedParameters
  private let kernels: any Kernels

  /// A step of the trained parameters of `model`, which must be writable.
  /// - Parameters:
  ///   - gradients: of `model.parameters(trained)`, made for as many micro-batches as a step has, or more.
  ///   - optimizer: of `model.parameters(trained)`.
  package init(
    _ model: GemmaModel, _ trained: TrainedParameters, _ gradients: Gradients, _ optimizer: AdamW,
    _ kernels: any Kernels
  ) {
    self.model = model
    self.trained = trained
    self.gradients = gradients
    self.optimizer = optimizer
    self.kernels = kernels
    parameters = model.parameters(trained)
  }

  /// Makes the gradient of the mean loss over all target tokens of the micro-batches, as of one batch.
  /// - Parameters:
  ///   - checkpointing: whether each layer is computed again for its gradient.
  ///   - dropout: key of this step's dropout in the adapters, from which each micro-batch derives its own;
  ///     nil is no dropout.
  package func forwardBackward(
    _ microBatches: [TokenBatch], checkpointing: Bool = false, dropout: RandomKey? = nil
  ) -> BatchLoss {
    gradients.begin(kernels)
    let targetCount = microBatches.reduce(0) { $0 + $1.targetCount }
    let sums = microBatches.enumerated().map { index, batch in
      let tape = Tape()
      let loss = model.watched(trained, on: tape, gradients, microBatch: index).loss(
        batch, Operations(kernels, tape: tape), gradientScale: 1 / Float(targetCount),
        checkpointing: checkpointing, dropout: dropout?.derived(UInt64(index)))
      tape.backward(from: loss.lossSum, seed: Tensor([1], [1]), kernels)
      return loss.lossSum
    }
    return BatchLoss(
      sums: sums.map(kernels.fetch), tokenCount: microBatches.reduce(0) { $0 + $1.tokenCount },
      targetCount: targetCount, sequenceCount: microBatches.reduce(0) { $0 + $1.sequenceCount })
  }

  /// Clips the gradients of the last `forwardBackward` together to `maxNorm`, and updates the parameters.
  /// - Parameters:
  ///   - learningRate: of this step.
  ///   - maxNorm: largest norm of all gradients together; infinity clips nothing.
  package func optimizerStep(learningRate: Double, maxNorm: Double) -> WeightUpdate {
    let norms = kernels.gradientNorms(gradients.tensors, maxNorm: maxNorm)
    let changed = optimizer.apply(gradients.tensors, learningRate: learningRate, clip: norms.clip)
    return WeightUpdate(norms: kernels.fetch(norms.norms), changed: kernels.fetch(changed))
  }
}

/// The loss of the micro-batches of one optimizer step.
package struct BatchLoss {
  /// Summed loss of each micro-batch, being copied to main memory.
  fileprivate let sums: [FetchedTensor]
  /// Tokens of all micro-batches, and the target tokens among them.
  package let tokenCount: Int, targetCount: Int
  /// Sequences of all micro-batches.
  package let sequenceCount: Int

  /// Waits for the sums.  - Returns: the summed loss over all target tokens, in nats.
  package func sum() -> Double { sums.reduce(0) { $0 + Double($1.tensor.floats[0]) } }

  /// Waits for the sums.  - Returns: the mean loss over all target tokens, in nats.
  package func mean() -> Double { sum() / Double(targetCount) }
}

/// What one optimizer step changed.
package struct WeightUpdate {
  fileprivate let norms: FetchedTensor
  fileprivate let changed: FetchedTensor

  /// Waits for the norms.  - Returns: the norm of each gradient before clipping, then of all together.
  package func gradientNorms() -> [Float] { norms.tensor.floats }

  /// Waits for the update.  - Returns: how many stored weights changed, all parameters together.
  package func changedCount() -> Int { changed.tensor.ints.reduce(0) { $0 + Int($1) } }
}
