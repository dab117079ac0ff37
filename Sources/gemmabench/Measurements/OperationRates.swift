import Files
import Gemma
import KernelCases
import Tensors

extension CaseSizes {
  /// The sizes of one training pass of a model, and of its decoding steps.
  /// - sequences, length: by default 8 sequences of about the mean length of GSM8K's examples.
  /// - decodingRows: one prompt alone, and several side by side.
  package init(
    _ model: ModelConfiguration, sequences: Int = 8, length: Int = 188, decodingRows: [Int] = [1, 16]
  ) {
    self.init(
      lengths: [Int](repeating: length, count: sequences), hidden: model.hiddenSize,
      inner: model.intermediateSize,
      heads: (model.numAttentionHeads, model.numKeyValueHeads, model.headDim), vocabulary: model.vocabSize,
      rank: 16, decodingKeys: [Int](repeating: 256, count: decodingRows.max() ?? 1))
    self.decodingRows = decodingRows
    layers = model.numHiddenLayers
    attentionScale = Float(model.attentionScale)
    attentionSoftCap = model.attnLogitSoftcapping
    logitSoftCap = model.finalLogitSoftcapping
  }
}

extension KernelCase {
  /// A line of the case's rate, on random tensors from `pool`; nil for a case that is not timed.
  func rate(_ kernels: any Kernels, _ pool: RandomPool, _ timing: Timing) -> JSONObject? {
    guard let work, let timedName else { return nil }
    let run = prepare(kernels, inputs.map(pool.tensor))
    return timing.rate(timedName, MeasuredUnit(work.unit), amount: work.amount) { _ = run() }
  }
}

extension RandomPool {
  /// A tensor for an input of a case. Random numbers have the pool's amplitude.
  func tensor(_ input: CaseInput) -> Tensor {
    switch input {
    case .random(let shape, let dtype, _): tensor(shape, dtype)
    case .ints, .floats: kernels.placed(input.tensor(stream: 0))
    }
  }
}

extension MeasuredUnit {
  /// 10⁹ of what a case counts, a second.
  init(_ unit: CaseWork.Unit) {
    switch unit {
    case .operations: self = .gigaflops
    case .bytes: self = .gigabytes
    }
  }
}
