import Files
import FineTuning
import GSM8K
import Gemma
import Tensors

extension TrainingStep {
  /// The training step of the study, with the configuration's own adapter and optimizer.
  /// - Parameters:
  ///   - base: its weights must be writable if all of them are trained.
  ///   - microBatches: most micro-batches of a step.
  init(
    study base: GemmaModel, _ trained: TrainedParameters, _ kernels: any Kernels, microBatches: Int = 1,
    update: AdamW.LowPrecisionUpdate = .master
  ) {
    let study = RunConfiguration(named: "bench")
    var model = base
    if trained == .adapters {
      var adapter = AdapterWeights(
        random: base.configuration, rank: study.lora.rank, alpha: study.lora.alpha, dropout: 0,
        targets: study.lora.targets, key: RandomKey(seed: study.run.seed, stream: 0))
      adapter.place(kernels)
      model.attach(adapter)
    }
    let parameters = model.parameters(trained)
    var settings = AdamW.Settings(study)
    settings.lowPrecisionUpdate = update
    self.init(
      model, trained, Gradients(parameters, microBatches: microBatches, kernels),
      AdamW(settings, parameters, kernels), kernels)
  }

  /// Takes one step in the way of the study.
  func take(_ microBatches: [TokenBatch], checkpointing: Bool) -> (loss: BatchLoss, update: WeightUpdate) {
    let study = RunConfiguration(named: "bench").train
    let loss = forwardBackward(microBatches, checkpointing: checkpointing)
    return (
      loss, optimizerStep(learningRate: study.learningRate, maxNorm: study.maxGradientNorm ?? .infinity)
    )
  }
}
