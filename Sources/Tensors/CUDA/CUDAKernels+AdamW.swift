import CKernels
import CUDARuntime
import Glibc

/// Elements that a block of the optimizer's kernels takes at a time.
private let chunkElements = 16_384

/// A run of a tensor's elements: from `index` · 16,384 on.
private struct Chunk: BitwiseCopyable {
  var tensor: Int32, index: Int32

  /// All runs of the given tensors.
  static func all(_ counts: [(tensor: Int, count: Int)]) -> [Chunk] {
    counts.flatMap { tensor, count in
      (0..<(count + chunkElements - 1) / chunkElements).map { Chunk(tensor: Int32(tensor), index: Int32($0)) }
    }
  }
}

/// A tensor in the layout that `square_sums` reads.
private struct TensorRun: BitwiseCopyable, Equatable {
  var values: UInt64, count: Int64
  var type: Int32, unused: Int32 = 0

  init(_ tensor: Tensor) {
    (values, count, type) = (tensor.deviceAddress, Int64(tensor.count), tensor.typeNumber)
  }
}

extension Tensor {
  /// The number by which the optimizer's kernels tell float32 and bfloat16 apart.
  fileprivate var typeNumber: Int32 { dtype == .bfloat16 ? 1 : 0 }
}

/// Device tables that describe the gradients to the norm's kernels. They are kept, because the gradients have
/// the same storage in every step.
final class GradientTables {
  fileprivate let runs: DeviceTables.Table, chunks: DeviceTables.Table, firsts: DeviceTables.Table
  fileprivate let chunkCount: Int
  private let key: [TensorRun]

  fileprivate init(_ gradients: [Tensor], _ tables: DeviceTables) {
    key = gradients.map(TensorRun.init)
    let chunks = Chunk.all(gradients.enumerated().map { ($0.offset, $0.element.count) })
    var first: Int32 = 0
    var firsts: [Int32] = [0]
    for gradient in gradients {
      first += Int32((gradient.count + chunkElements - 1) / chunkElements)
      firsts.append(first)
    }
    runs = tables.made(key)
    self.chunks = tables.made(chunks)
    self.firsts = tables.made(firsts)
    chunkCount = chunks.count
  }

  fileprivate func describes(_ gradients: [Tensor]) -> Bool { key == gradients.map(TensorRun.init) }
}

/// One parameter and its state, in the layout that the kernels read.
private struct AdamWTensor: BitwiseCopyable {
  var parameter: UInt64, gradient: UInt64, weights: UInt64
  var codes1: UInt64 = 0, codes2: UInt64 = 0
  var state1: UInt64, state2: UInt64
  var count: Int64
  var type: Int32, rounding: Int32
  var key: UInt64
  var weightDecay: Float, decayBefore: Int32
  var gradientType: Int32, unused: Int32 = 0

  init(_ update: AdamWUpdate, _ moments: AdamWMoments) {
    parameter = update.parameter.deviceAddress
    gradient = update.gradient.deviceAddress
    weights = update.weights?.deviceAddress ?? 0
    switch moments {
    case .codes(let first, let second, let maxima1, let maxima2):
      (codes1, codes2) = (first.deviceAddress, second.deviceAddress)
      (state1, state2) = (maxima1.deviceAddress, maxima2.deviceAddress)
    case .float32(let moment1, let moment2):
      (state1, state2) = (moment1.deviceAddress, moment2.deviceAddress)
    }
    count = Int64(update.parameter.count)
    (type, gradientType) = (update.parameter.typeNumber, update.gradient.typeNumber)
    (rounding, key) =
      if case .stochastic(let key) = update.rounding { (1, key.word) } else { (0, 0) }
    weightDecay = update.step.weightDecay
    decayBefore = update.step.decayOrder == .beforeStep ? 1 : 0
  }
}

/// The numbers that all tensors of a step share.
private struct StepNumbers: BitwiseCopyable {
  var learningRate: Float, beta1: Float, beta2: Float, epsilon: Float
  var correction1: Float, correction2: Float
  var gradientScale: Float
  var unused: Int32 = 0

  /// Computes powers in float64 and the rest in float32, as the CPU does.
  init(_ step: AdamWStep) {
    learningRate = step.learningRate
    (beta1, beta2, epsilon) = (step.beta1, step.beta2, step.epsilon)
    correction1 = 1 - Float(pow(Double(step.beta1), Double(step.step)))
    correction2 = (1 - Float(pow(Double(step.beta2), Double(step.step)))).squareRoot()
    gradientScale = step.gradientScale
  }
}

/// Code maps, and the tables for the search in them.
private struct CodeMapTables {
  let map1: DeviceTables.Table, map2: DeviceTables.Table
  let table1: DeviceTables.Table, table2: DeviceTables.Table
}

/// The runs of a list of tensors, found by the tensors' element counts.
final class ChunkLists {
  fileprivate let codes: DeviceTables.Table, float32: DeviceTables.Table
  fileprivate let codesCount: Int, float32Count: Int
  fileprivate let key: [Int]

  /// - counts: negative for tensors with 8-bit moments.
  fileprivate init(_ counts: [Int], _ tables: DeviceTables) {
    key = counts
    func chunks(_ isChosen: (Int) -> Bool) -> [Chunk] {
      Chunk.all(counts.enumerated().filter { isChosen($0.element) }.map { ($0.offset, abs($0.element)) })
    }
    let (codes, float32) = (chunks { $0 < 0 }, chunks { $0 >= 0 })
    self.codes = tables.made(codes)
    self.float32 = tables.made(float32)
    (codesCount, float32Count) = (codes.count, float32.count)
  }
}

extension CUDAKernels {
  package func gradientNorms(_ gradients: [Tensor], maxNorm: Double) -> GradientNorms {
    let kept = optimizerTables.gradients.flatMap { $0.describes(gradients) ? $0 : nil }
    let tables = kept ?? GradientTables(gradients, self.tables)
    optimizerTables.gradients = tables
    // Each chunk takes one float64, which has the bytes of two float32.
    let partials = uninitialized([2 * tables.chunkCount], .float32)
    let results = uninitialized([gradients.count + 2], .float32)
    kernels.reduction.squareSums.launch(
      grid: LaunchExtent(tables.chunkCount), tables.runs.address,
      tables.chunks.address, partials.deviceAddress)
    kernels.reduction.normAndClip.launch(
      grid: 1, partials.deviceAddress, tables.firsts.address,
      Int32(gradients.count), maxNorm, results.deviceAddress)
    return GradientNorms(
      norms: results.rows(0..<gradients.count + 1),
      clip: results.rows(gradients.count + 1..<gradients.count + 2))
  }

  package func adamW(_ updates: [(update: AdamWUpdate, moments: AdamWMoments)], clip: Tensor?) -> Tensor {
    updates.forEach { Requirements.adamW($0.update, $0.moments) }
    let changed = zeros([updates.count], .int32)
    guard let step = updates.first?.update.step else { return changed }
    let counts = updates.map { update, moments in
      if case .codes = moments { -update.parameter.count } else { update.parameter.count }
    }
    let kept = optimizerTables.chunks.flatMap { $0.key == counts ? $0 : nil }
    let chunks = kept ?? ChunkLists(counts, tables)
    optimizerTables.chunks = chunks
    let tensors = tables.made(updates.map(AdamWTensor.init))
    let numbers = tables.made([StepNumbers(step)])
    let clip = clip?.deviceAddress ?? 0
    let most = 3 * device.properties.multiprocessorCount
    if chunks.codesCount > 0 {
      let maps = optimizerTables.maps(tables)
      kernels.reduction.adamW8bit.launch(
        grid: LaunchExtent(min(most, chunks.codesCount)), tensors.address,
        chunks.codes.address, Int32(chunks.codesCount), numbers.address, clip, maps.map1.address,
        maps.map2.address, maps.table1.address, maps.table2.address, changed.deviceAddress)
    }
    kernels.reduction.adamW32bit.launch(
      grid: LaunchExtent(min(most, chunks.float32Count)), tensors.address,
      chunks.float32.address, Int32(chunks.float32Count), numbers.address, clip, changed.deviceAddress)
    return changed
  }
}

/// The tables of the optimizer's kernels, kept from step to step.
final class OptimizerTables {
  fileprivate var gradients: GradientTables?
  fileprivate var chunks: ChunkLists?
  private var codeMaps: CodeMapTables?

  fileprivate func maps(_ tables: DeviceTables) -> CodeMapTables {
    if let codeMaps { return codeMaps }
    func table(_ table: UnsafePointer<ck_code_table>) -> DeviceTables.Table {
      tables.made([UInt8](UnsafeRawBufferPointer(start: table, count: MemoryLayout<ck_code_table>.size)))
    }
    let made = CodeMapTables(
      map1: tables.made(CodeMaps.signed), map2: tables.made(CodeMaps.unsigned),
      table1: table(CodeTables.signed), table2: table(CodeTables.unsigned))
    codeMaps = made
    return made
  }
}
