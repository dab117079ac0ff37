import Files
import FineTuning
import GSM8K
import Gemma
import Tensors

/// GSM8K's text as token ids.
struct EncodedText {
  let tokenizer: Tokenizer
  let wording = PromptWording(template: .plain)

  /// The tokenizer of a model folder.
  /// - Throws: `Fault`.
  init(model: String) throws {
    tokenizer = try Tokenizer(contentsOf: "\(model)/tokenizer.model")
  }

  /// `[bos] + prompt` of the first `count` test questions.
  func prompts(data: String, count: Int) throws -> [[Int32]] {
    try loadProblems(folder: data, split: "test", variant: .main, limit: count).map {
      [tokenizer.bosId] + tokenizer.encode(wording.prompt(for: $0.question))
    }
  }

  /// A batch of `size` sequences of exactly `length` tokens, cut from the training examples laid end to end.
  /// The second half of each sequence is the target.
  func batch(data: String, size: Int, length: Int) throws -> TokenBatch {
    let problems = try loadProblems(folder: data, split: "train", variant: .main)
    var ids: [Int32] = []
    for problem in problems where ids.count < size * length {
      ids += tokenizer.encode(wording.prompt(for: problem.question) + wording.target(for: problem.answer))
    }
    guard ids.count >= size * length else {
      throw Fault(
        .badData, file: data, "\(ids.count) training tokens; the measurement needs \(size * length)")
    }
    var batch = TokenBatch()
    for start in stride(from: 0, to: size * length, by: length) {
      batch.append(Array(ids[start..<start + length]), promptLength: length / 2)
    }
    return batch
  }
}

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
