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

/// LoRA training of a model as the study does it, one pass a step.
struct LoRATraining {
  private let model: GemmaModel
  private let kernels: any Kernels
  private let gradients: [Tensor]
  private let optimizer: AdamW

  /// A new adapter of rank 16 beside every linear map.
  init(_ base: GemmaModel, _ kernels: any Kernels) {
    var model = base
    model.attach(
      AdapterWeights(
        random: base.configuration, rank: 16, alpha: 32, dropout: 0, targets: LinearModule.allCases,
        key: RandomKey(seed: 42, stream: 0)))
    let parameters = model.parameters(.adapters)
    self.model = model
    self.kernels = kernels
    gradients = parameters.map { kernels.zeros($0.tensor.shape, .float32) }
    let settings = AdamW.Settings(
      eightBit: true, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, lowPrecisionUpdate: .master)
    optimizer = AdamW(settings, parameters, kernels)
  }

  /// One optimizer step: forward and backward with gradient checkpointing, clipping, update.
  func step(_ batch: TokenBatch) {
    gradients.forEach(kernels.clear)
    let tape = Tape()
    let loss = model.watched(.adapters, on: tape, gradients: gradients).loss(
      batch, Operations(kernels, tape: tape), gradientScale: 1 / Float(batch.targetCount), checkpointing: true
    )
    tape.backward(from: loss.lossSum, seed: Tensor([1], [1]), kernels)
    let norms = kernels.gradientNorms(gradients, maxNorm: 1)
    _ = optimizer.apply(gradients, learningRate: 1e-5, clip: norms.clip)
  }
}
