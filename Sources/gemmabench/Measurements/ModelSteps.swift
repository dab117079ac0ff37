import Files
import GSM8K
import Gemma
import Tensors

/// Token ids of GSM8K's text, as a tokenizer encodes it.
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

  /// A batch of `size` sequences of exactly `length` tokens, cut from the training examples end to end; the second half of
  /// each is the target.
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

/// Training of a model as the study does it: 8-bit AdamW, gradients clipped to norm 1, adapters of rank 16.
struct ModelTraining {
  private let model: GemmaModel
  private let trained: TrainedParameters
  private let kernels: any Kernels
  private let gradients: Gradients
  private let optimizer: AdamW

  /// What a step gave, to be read when it is needed.
  struct Results {
    /// Summed loss of each pass, in nats.
    let losses: [FetchedTensor]
    /// Weights of each parameter that changed.
    let changed: FetchedTensor
  }

  /// All weights of `base`, which must be writable then, or a new adapter beside every linear map.
  /// - Parameter passes: the most passes of a step.
  init(
    _ base: GemmaModel, _ trained: TrainedParameters, _ kernels: any Kernels,
    passes: Int = 1, update: AdamW.LowPrecisionUpdate = .master
  ) {
    var model = base
    if trained == .adapters {
      var adapter = AdapterWeights(
        random: base.configuration, rank: 16, alpha: 32, dropout: 0, targets: LinearModule.allCases,
        key: RandomKey(seed: 42, stream: 0))
      adapter.place(kernels)
      model.attach(adapter)
    }
    let parameters = model.parameters(trained)
    self.model = model
    self.trained = trained
    self.kernels = kernels
    gradients = Gradients(parameters, passes: passes, kernels)
    let settings = AdamW.Settings(
      eightBit: true, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, lowPrecisionUpdate: update)
    optimizer = AdamW(settings, parameters, kernels)
  }

  /// One optimizer step over several passes: forward and backward of each, clipping, update.
  func step(_ passes: [TokenBatch], checkpointing: Bool) -> Results {
    gradients.begin(kernels)
    let targetCount = passes.reduce(0) { $0 + $1.targetCount }
    let losses = passes.enumerated().map { index, batch in
      let tape = Tape()
      let loss = model.watched(trained, on: tape, gradients, pass: index).loss(
        batch, Operations(kernels, tape: tape), gradientScale: 1 / Float(targetCount),
        checkpointing: checkpointing)
      tape.backward(from: loss.lossSum, seed: Tensor([1], [1]), kernels)
      return kernels.fetch(loss.lossSum)
    }
    let norms = kernels.gradientNorms(gradients.tensors, maxNorm: 1)
    let changed = optimizer.apply(gradients.tensors, learningRate: 1e-5, clip: norms.clip)
    return Results(losses: losses, changed: kernels.fetch(changed))
  }
}
