import CUDARuntime
import Files
import SimulatedGPUTesting
import Tensors
import Testing

/// Every operation of the CUDA conformer, on the simulated GPU, gives what the CPU's gives.
///
/// Float32 sums have another order there, and e^x another last digit; bfloat16 results may then round the other way:
/// one of 256 steps of the largest value.
@Suite(.serialized) struct CUDAKernelsTests {
  private let simulated: SimulatedKernels
  private let cpu = CPUKernels(threads: 1)

  // The suite's tests run one after another.
  nonisolated(unsafe) private static let shared = Result { try SimulatedKernels() }

  init() throws { simulated = try Self.shared.get().onThisThread() }

  private func tolerance(_ dtype: DType) -> Double { dtype == .bfloat16 ? 1.0 / 128 : 1e-5 }

  /// Runs `body` on both, on inputs in the place of each, and compares all results.
  private func expectAgreement(
    _ inputs: [Tensor], tolerance: Double? = nil, _ note: String = "",
    _ body: (any Kernels, [Tensor]) -> [Tensor]
  ) throws {
    let expected = body(cpu, inputs.map { $0.copied() })
    let gpu = simulated.kernels
    let actual = body(gpu, inputs.map(gpu.placed)).map(gpu.onHost)
    try gpu.check()
    #expect(actual.count == expected.count)
    for (index, (actual, expected)) in zip(actual, expected).enumerated() {
      #expect(actual.dtype == expected.dtype && actual.shape == expected.shape, "result \(index) \(note)")
      let error = largestError(actual, expected)
      #expect(error <= tolerance ?? self.tolerance(expected.dtype), "result \(index): \(error) \(note)")
    }
  }

  private static let types: [DType] = [.float32, .bfloat16]

  @Test(arguments: types) func elementwiseAgrees(dtype: DType) throws {
    for count in [1, 67, 1024] {
      let inputs = (0..<3).map { randomTensor([count], dtype, seed: UInt64($0), scale: 3) }
      try expectAgreement(inputs) { kernels, x in
        let sum = kernels.zeros([count], .float32)
        kernels.accumulate(x[0], into: sum)
        let (dGate, dUp) = kernels.gegluBackward(x[0], x[1], x[2])
        return [
          kernels.add(x[0], x[1]), sum, kernels.converted(x[0], to: .float32, scale: 0.5),
          kernels.converted(x[1], to: .bfloat16, scale: -2), kernels.gegluForward(x[1], x[2]), dGate, dUp,
        ]
      }
    }
  }

  @Test func dropoutDropsTheSameElements() throws {
    let x = randomTensor([1000], seed: 1, scale: 1)
    let key = RandomKey(seed: 7, stream: 2)
    try expectAgreement([x], tolerance: 0) { [$0.dropped($1[0], probability: 0.3, key: key)] }
  }

  @Test(arguments: types, [1, 17, 256, 640]) func normsAgree(dtype: DType, width: Int) throws {
    let x = randomTensor([9, width], dtype, seed: 1, scale: 2)
    let dY = randomTensor([9, width], dtype, seed: 2, scale: 1)
    let weight = randomTensor([width], dtype, seed: 3, scale: 0.5)
    // Of one element, the gradient is a small difference of two large numbers.
    let tolerance = width == 1 ? max(1e-4, tolerance(dtype)) : nil
    let other = randomTensor([9, width], dtype, seed: 4, scale: 2)
    try expectAgreement([x, dY, weight, other], tolerance: tolerance) { kernels, x in
      let (y, rstd) = kernels.rmsNormForward(x[0], x[2], epsilon: 1e-6)
      let dWeight = kernels.zeros([width], .float32)
      let dX = kernels.rmsNormBackward(x[1], x[0], x[2], rstd: rstd, dSum: nil, dWeight: dWeight)
      let added = kernels.rmsNormBackward(x[1], x[0], x[2], rstd: rstd, dSum: x[3], dWeight: nil)
      let sum = kernels.addRMSNormForward(x[0], x[3], x[2], epsilon: 1e-6)
      return [y, rstd, dX, dWeight, added, sum.sum, sum.y, sum.rstd]
    }
  }

  @Test(arguments: types, [Direction.forward, .backward]) func rotaryAgrees(dtype: DType, way: Direction)
    throws
  {
    let x = randomTensor([5, 3 * 16], dtype, seed: 1, scale: 1)
    let table = RotaryTable(headDim: 16, theta: 10_000, linearScale: 1)
    try expectAgreement([x, Tensor([0, 1, 2, 900, 31])]) {
      [$0.rotated($1[0], positions: $1[1], table, way)]
    }
  }

  @Test(arguments: types) func rowsAgree(dtype: DType) throws {
    let table = randomTensor([11, 24], dtype, seed: 1, scale: 1)
    let dY = randomTensor([6, 24], dtype, seed: 2, scale: 1)
    try expectAgreement([table, dY, Tensor([3, 0, 3, 10, 3, 1])]) { kernels, x in
      let dTable = kernels.zeros([11, 24], .float32)
      kernels.embeddingBackward(x[1], x[2], scale: 2.5, into: dTable)
      let target = kernels.copied(x[0])
      kernels.copy(
        kernels.gathered(x[1], rows: kernels.placed(Tensor([5, 1]))),
        toRows: kernels.placed(Tensor([7, 2])), of: target)
      return [
        kernels.embeddingForward(x[2], x[0], scale: 2.5), dTable, kernels.gathered(x[0], rows: x[2]),
        kernels.scattered(x[1], rows: x[2], count: 11), target,
      ]
    }
  }

  // MARK: - Products

  private static let sizes = [(1, 5, 3), (4, 24, 16), (33, 40, 17), (70, 64, 48)]

  @Test(arguments: types, types) func productsAgree(factors: DType, result: DType) throws {
    for (rows, columns, inner) in Self.sizes {
      let a = randomTensor([rows, inner], factors, seed: 1, scale: 1)
      let b = randomTensor([inner, columns], factors, seed: 2, scale: 1)
      let aT = randomTensor([inner, rows], factors, seed: 3, scale: 1)
      let bT = randomTensor([columns, inner], factors, seed: 4, scale: 1)
      let c = randomTensor([rows, columns], result, seed: 5, scale: 1)
      let tolerance = result == .float32 ? 1e-5 : 1.0 / 128
      try expectAgreement([a, b, aT, bT, c], tolerance: tolerance, "\(rows) \(columns) \(inner)") {
        kernels, x in
        let forms: [(Operand, Operand)] = [
          (.stored(x[0]), .stored(x[1])), (.stored(x[0]), .transposed(x[3])),
          (.transposed(x[2]), .stored(x[1])), (.transposed(x[2]), .transposed(x[3])),
        ]
        return forms.flatMap { left, right in
          [Store.replacing, .adding].map { store in
            let y = kernels.copied(x[4])
            kernels.multiply(left, right, scale: 0.5, store, y)
            return y
          }
        }
      }
    }
  }

  @Test(arguments: types, [3, 16, 40]) func adaptersAgree(dtype: DType, rank: Int) throws {
    let (tokens, width, outer) = (37, 48, 72)
    let x = randomTensor([tokens, width], dtype, seed: 1, scale: 1)
    let weight = randomTensor([outer, width], dtype, seed: 2, scale: 1)
    let a = randomTensor([rank, width], seed: 3, scale: 0.5)
    let b = randomTensor([outer, rank], seed: 4, scale: 0.5)
    let dY = randomTensor([tokens, outer], dtype, seed: 5, scale: 1)
    try expectAgreement([x, weight, a, b, dY], "rank \(rank)") { kernels, inputs in
      let tape = Tape()
      let gradients = [kernels.zeros([rank, width], .float32), kernels.zeros([outer, rank], .float32)]
      let x = tape.watch(inputs[0])
      let term = LowRankTerm(
        a: tape.watch(inputs[2], addingTo: gradients[0]), b: tape.watch(inputs[3], addingTo: gradients[1]),
        scale: 2)
      let y = Operations(kernels, tape: tape).linear(x, inputs[1], adapter: term)
      tape.backward(from: y, seed: inputs[4], kernels)
      return [y, x.node?.gradient].compactMap { $0 } + gradients
    }
  }

  /// One tensor holds the map's output and then the sum: no copy is made, and the tape keeps none.
  @Test func adapterAddsToTheMapsOwnOutput() throws {
    let gpu = simulated.kernels
    let (tokens, width, outer, rank) = (64, 64, 4096, 4)
    let tape = Tape()
    let x = tape.watch(gpu.placed(randomTensor([tokens, width], .bfloat16, seed: 1)))
    let weight = gpu.placed(randomTensor([outer, width], .bfloat16, seed: 2))
    let term = LowRankTerm(
      a: gpu.placed(randomTensor([rank, width], seed: 3)),
      b: gpu.placed(randomTensor([outer, rank], seed: 4)), scale: 2)
    gpu.memory.resetPeak()
    let before = gpu.memory.inUse
    let y = Operations(gpu, tape: tape).linear(x, weight, adapter: term)
    #expect((y.byteCount..<2 * y.byteCount).contains(gpu.memory.peakInUse - before))
  }

  @Test func aKernelThatIsMissingEndsTheStart() throws {
    let gpu = try SimulatedGPU()
    let files = KernelFile.embedded.filter { $0.name != "norm.cu" }
    #expect(
      throws: Fault(
        .failure,
        "cuda: cuModuleGetFunction(rms_norm_forward_f32) gave CUDA_ERROR_NOT_FOUND (500), "
          + "named symbol not found")
    ) { try CUDAKernels(libraries: gpu.libraries, files: files, cacheFolder: nil) }
  }

  // MARK: - Attention

  /// Head sizes with tensor cores and without; windows, soft caps and groups.
  @Test(arguments: types, [20, 64]) func attentionAgrees(dtype: DType, headDim: Int) throws {
    let lengths = [5, 1, 23]
    var start = 0
    let segments = lengths.map { count in
      defer { start += count }
      return AttentionSegment(
        queryStart: start, queryCount: count, keyStart: start, keyCount: count)
    }
    for (heads, keyHeads, window, cap) in [(4, 2, nil, nil), (4, 1, 7, nil), (2, 2, nil, 3)]
      as [(Int, Int, Int?, Float?)]
    {
      let layout = AttentionCase(
        segments: segments, headCount: heads, keyValueHeadCount: keyHeads, headDim: headDim,
        scale: 1 / Float(headDim).squareRoot(), window: window, softCap: cap)
      let q = randomTensor([29, heads * headDim], dtype, seed: 1, scale: 2)
      let k = randomTensor([29, keyHeads * headDim], dtype, seed: 2, scale: 2)
      let v = randomTensor([29, keyHeads * headDim], dtype, seed: 3, scale: 1)
      let dO = randomTensor([29, heads * headDim], dtype, seed: 4, scale: 1)
      // The CPU sums in float32 throughout; tensor cores take bfloat16 weights: half a step of bfloat16 a term.
      let tolerance = dtype == .bfloat16 ? 0.02 : 2e-5
      try expectAgreement([q, k, v, dO], tolerance: tolerance, "\(heads) \(keyHeads)") { kernels, x in
        let (o, logSumExp) = kernels.attentionForward(x[0], x[1], x[2], layout)
        let (dQ, dK, dV) = kernels.attentionBackward(
          x[3], x[0], x[1], x[2], o: o, logSumExp: logSumExp, layout)
        return [o, logSumExp, dQ, dK, dV]
      }
    }
  }

  /// The order of tiles is that of their work in the whole batch; each writes what is its own.
  @Test(arguments: types) func sequenceHasTheBitsThatItHasAlone(dtype: DType) throws {
    let gpu = simulated.kernels
    let (lengths, headDim, heads) = ([70, 3, 150], 64, 2)
    let count = lengths.reduce(0, +)
    // A key/value head for each query head: gradients of keys are one block's, not parts that are added.
    func layout(_ segments: [AttentionSegment]) -> AttentionCase {
      AttentionCase(
        segments: segments, headCount: heads, keyValueHeadCount: heads, headDim: headDim, scale: 0.1)
    }
    func run(_ inputs: [Tensor], _ segments: [AttentionSegment]) -> [Tensor] {
      let layout = layout(segments)
      let (o, logSumExp) = gpu.attentionForward(inputs[0], inputs[1], inputs[2], layout)
      let (dQ, dK, dV) = gpu.attentionBackward(
        inputs[3], inputs[0], inputs[1], inputs[2], o: o, logSumExp: logSumExp, layout)
      return [o, logSumExp, dQ, dK, dV].map(gpu.onHost)
    }
    let inputs = (0..<4).map {
      gpu.placed(randomTensor([count, heads * headDim], dtype, seed: UInt64($0), scale: 2))
    }
    var start = 0
    let segments = lengths.map { length in
      defer { start += length }
      return AttentionSegment(
        queryStart: start, queryCount: length, keyStart: start, keyCount: length)
    }
    let together = run(inputs, segments)
    for segment in segments {
      let rows = segment.queryStart..<segment.queryStart + segment.queryCount
      let alone = run(
        inputs.map { $0.rows(rows) },
        [.init(queryStart: 0, queryCount: rows.count, keyStart: 0, keyCount: rows.count)])
      for (together, alone) in zip(together, alone) { #expect(bits(together.rows(rows)) == bits(alone)) }
    }
    try gpu.check()
  }

  @Test(arguments: types) func decodingAttentionAgrees(dtype: DType) throws {
    let layout = AttentionCase(
      segments: [
        .init(queryStart: 0, queryCount: 1, keyStart: 0, keyCount: 150),
        .init(queryStart: 1, queryCount: 1, keyStart: 200, keyCount: 3),
      ], headCount: 4, keyValueHeadCount: 1, headDim: 32, scale: 0.2)
    let q = randomTensor([2, 128], dtype, seed: 1, scale: 2)
    let k = randomTensor([400, 32], dtype, seed: 2, scale: 2)
    let v = randomTensor([400, 32], dtype, seed: 3, scale: 1)
    try expectAgreement([q, k, v]) { kernels, x in
      let (o, logSumExp) = kernels.attentionForward(x[0], x[1], x[2], layout)
      return [o, logSumExp]
    }
  }

  // MARK: - Vocabulary

  @Test(arguments: types, [nil, 5] as [Float?]) func crossEntropyAgrees(dtype: DType, cap: Float?) throws {
    let hidden = randomTensor([7, 32], dtype, seed: 1, scale: 1)
    let table = randomTensor([300, 32], dtype, seed: 2, scale: 1)
    let targets = Tensor([0, 299, 7, 7, 100, 3, 250])
    // Gradients of bfloat16 logits are rounded to bfloat16 before they are summed.
    try expectAgreement([hidden, table, targets], tolerance: dtype == .bfloat16 ? 0.01 : 1e-5) { kernels, x in
      let dTable = kernels.zeros([300, 32], .float32)
      let options = CrossEntropyOptions(softCap: cap, gradientScale: 0.25, dTable: dTable)
      let result = kernels.linearCrossEntropy(x[0], x[1], targets: x[2], options)
      let losses = kernels.linearCrossEntropy(x[0], x[1], targets: x[2], CrossEntropyOptions(softCap: cap))
      return [result.losses, dTable, losses.losses, kernels.sum(result.losses)]
        + [result.dHidden].compactMap { $0 }
        + [
          kernels.logits(x[0], x[1], softCap: cap), kernels.vocabularySearch(x[1], searches: 1).argmax(x[0]),
        ]
    }
  }

  @Test(arguments: types) func aLogitThatIsNotFiniteLeavesNoId(dtype: DType) throws {
    let hidden = randomTensor([5, 32], dtype, seed: 1, scale: 1)
    let table = randomTensor([301, 32], dtype, seed: 2, scale: 1)
    for (row, element) in [(1, Float.nan), (2, .infinity), (4, -.infinity)] {
      if dtype == .float32 { hidden.float32[row * 32 + 9] = element }
      if dtype == .bfloat16 { hidden.bfloat16[row * 32 + 9] = UInt16(element.bitPattern >> 16) }
    }
    let gpu = simulated.kernels
    let ids = gpu.onHost(gpu.vocabularySearch(gpu.placed(table), searches: 1).argmax(gpu.placed(hidden))).ints
    try gpu.check()
    #expect(ids == cpu.vocabularySearch(table, searches: 1).argmax(hidden).ints)
    #expect(ids.map { $0 < 0 } == [false, true, true, false, true])
  }

  /// cuBLASLt takes the gradient where it lies: the memory that a second copy would take is never asked for.
  @Test func gradientOfTheLogitsNeedsNoMemoryOfItsOwn() throws {
    let gpu = simulated.kernels
    let (count, vocabulary) = (64, 4000)
    let hidden = gpu.placed(randomTensor([count, 8], .bfloat16, seed: 1))
    let table = gpu.placed(randomTensor([vocabulary, 8], .bfloat16, seed: 2))
    let targets = gpu.placed(Tensor((0..<count).map(Int32.init)))
    gpu.memory.resetPeak()
    let before = gpu.memory.inUse
    _ = gpu.linearCrossEntropy(hidden, table, targets: targets, CrossEntropyOptions(gradientScale: 1))
    let logits = 4 * count * vocabulary
    #expect((logits..<logits + logits / 4).contains(gpu.memory.peakInUse - before))
    try gpu.check()
  }

  /// cuBLASLt may refuse rows that lie apart.
  @Test func gradientOfTheLogitsIsBroughtTogetherForOwnKernels() throws {
    // The logits of so few rows are no product of cuBLASLt's: the first it is asked for is the gradient's, of sizes that
    // no other test has.
    let hidden = randomTensor([5, 24], .bfloat16, seed: 1, scale: 1)
    let table = randomTensor([104, 24], .bfloat16, seed: 2, scale: 1)
    try expectAgreement([hidden, table, Tensor([3, 1, 103, 0, 7])], tolerance: 0.01) { kernels, x in
      if kernels.place == .device { simulated.gpu.failNext("cublasLtMatmulAlgoGetHeuristic", 15) }
      let dTable = kernels.zeros([104, 24], .float32)
      let options = CrossEntropyOptions(gradientScale: 0.5, dTable: dTable)
      let result = kernels.linearCrossEntropy(x[0], x[1], targets: x[2], options)
      return [dTable] + [result.dHidden].compactMap { $0 }
    }
  }

  // MARK: - Optimizer

  @Test func normsOfGradientsAgree() throws {
    let gradients = [1, 16_384, 50_001].enumerated().map { index, count in
      randomTensor([count], seed: UInt64(index), scale: 1)
    }
    for maxNorm in [0.5, 1e9, .infinity] {
      try expectAgreement(gradients, tolerance: 1e-7) { kernels, x in
        let norms = kernels.gradientNorms(x, maxNorm: maxNorm)
        return [norms.norms, norms.clip]
      }
    }
    let infinite = simulated.kernels.placed(Tensor([1, .infinity], [2]))
    let norms = simulated.kernels.gradientNorms([infinite], maxNorm: 1)
    #expect(simulated.kernels.onHost(norms.clip).floats[0].isNaN)
  }

  @Test(arguments: [[0, 0], [0, 4], [3e38, 3e38], [0, .infinity]] as [[Float]])
  func infiniteLargestNormClipsNothing(gradient: [Float]) {
    let placed = simulated.kernels.placed(Tensor(gradient, [2]))
    let norms = simulated.kernels.gradientNorms([placed], maxNorm: .infinity)
    let clip = simulated.kernels.onHost(norms.clip).floats[0]
    #expect(gradient[1].isFinite ? clip == 1 : clip.isNaN)
  }

  @Test func adamWHasTheBytesOfTheCPU() throws {
    let counts = [5_000, 300, 16_640]
    let inputs = counts.enumerated().flatMap { index, count in
      [
        randomTensor([count], seed: UInt64(index), scale: 1),
        randomTensor([count], seed: UInt64(10 + index), scale: 0.01),
      ]
    }
    try expectAgreement(inputs + [Tensor([0.7], [1])], tolerance: 0) { kernels, x in
      var results: [Tensor] = []
      let states = counts.indices.map { index -> (AdamWUpdate, AdamWMoments) in
        let count = counts[index]
        let blocks = AdamWMoments.blockCount(count)
        let moments: AdamWMoments =
          index == 1
          ? .float32(moment1: kernels.zeros([count], .float32), moment2: kernels.zeros([count], .float32))
          : .codes(
            codes1: kernels.zeros([count], .uint8), codes2: kernels.zeros([count], .uint8),
            absmax1: kernels.zeros([blocks], .float32), absmax2: kernels.zeros([blocks], .float32))
        let parameter = index == 2 ? kernels.converted(x[2 * index], to: .bfloat16, scale: 1) : x[2 * index]
        let weights = index == 0 ? kernels.converted(parameter, to: .bfloat16, scale: 1) : nil
        results += [parameter] + [weights].compactMap { $0 } + moments.tensors.map(\.tensor)
        let update = AdamWUpdate(
          parameter: parameter, gradient: x[2 * index + 1], weights: weights,
          rounding: index == 2 ? .stochastic(RandomKey(seed: 3, stream: 4)) : .nearest,
          step: AdamWStep(
            step: 1, learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01,
            gradientScale: 1))
        return (update, moments)
      }
      for step in 1...3 {
        let updates = states.map { update, moments in
          var update = update
          update.step.step = step
          return (update: update, moments: moments)
        }
        results.append(kernels.copied(kernels.adamW(updates, clip: step == 2 ? nil : x[6])))
      }
      return results
    }
  }

  /// The GPU gets gradients in bfloat16, the CPU their float32 copies.
  @Test func bfloat16GradientsHaveTheBytesOfTheCPUsFloat32Ones() throws {
    let counts = [5_000, 16_640]
    let inputs = counts.enumerated().flatMap { index, count in
      [
        randomTensor([count], index == 0 ? .float32 : .bfloat16, seed: UInt64(index), scale: 1),
        randomTensor([count], .bfloat16, seed: UInt64(10 + index), scale: 0.01),
      ]
    }
    for isEightBit in [true, false] {
      try expectAgreement(inputs, tolerance: 0) { kernels, x in
        let gradients = [x[1], x[3]].map {
          kernels.place == .device ? $0 : kernels.converted($0, to: .float32, scale: 1)
        }
        let updates = counts.indices.map { index -> (update: AdamWUpdate, moments: AdamWMoments) in
          let (count, blocks) = (counts[index], AdamWMoments.blockCount(counts[index]))
          let update = AdamWUpdate(
            parameter: x[2 * index], gradient: gradients[index], weights: nil,
            rounding: index == 1 ? .stochastic(RandomKey(seed: 3, stream: 4)) : .nearest,
            step: AdamWStep(
              step: 1, learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01,
              gradientScale: 1))
          func zeros(_ count: Int, _ dtype: DType = .float32) -> Tensor { kernels.zeros([count], dtype) }
          return (
            update,
            isEightBit
              ? .codes(
                codes1: zeros(count, .uint8), codes2: zeros(count, .uint8), absmax1: zeros(blocks),
                absmax2: zeros(blocks))
              : .float32(moment1: zeros(count), moment2: zeros(count))
          )
        }
        let changed = kernels.adamW(updates, clip: nil)
        return [x[0], x[2], changed] + updates.flatMap { $0.moments.tensors.map(\.tensor) }
      }
    }
    let norms = [DType.bfloat16, .float32].map { dtype in
      let gpu = simulated.kernels
      let gradients = [inputs[1], inputs[3]].map {
        gpu.converted(gpu.placed($0), to: dtype, scale: 1)
      }
      return gpu.onHost(gpu.gradientNorms(gradients, maxNorm: 1).norms).floats
    }
    #expect(norms[0] == norms[1] && norms[0].allSatisfy { $0 > 0 })
  }

  @Test func notANumberNeverReachesTheWeights() throws {
    let gpu = simulated.kernels
    let weights = gpu.placed(Tensor([1, 2], [2]))
    let update = AdamWUpdate(
      parameter: weights, gradient: gpu.placed(Tensor([1, 1], [2])), weights: nil, rounding: .nearest,
      step: AdamWStep(
        step: 1, learningRate: 1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, gradientScale: 1))
    let moments = AdamWMoments.float32(
      moment1: gpu.zeros([2], .float32), moment2: gpu.zeros([2], .float32))
    let changed = gpu.adamW([(update, moments)], clip: gpu.placed(Tensor([.nan], [1])))
    #expect(gpu.onHost(changed).ints == [0])
    #expect(gpu.onHost(weights).floats == [1, 2])
  }

  // MARK: - Places

  @Test func fetchedTensorIsWhatItWasWhenAskedFor() throws {
    let gpu = simulated.kernels
    let x = gpu.placed(Tensor([1, 2, 3], [3]))
    let fetched = gpu.fetch(x)
    gpu.clear(x)
    #expect(fetched.tensor.floats == [1, 2, 3])
    #expect(gpu.onHost(x).floats == [0, 0, 0])
  }

  @Test func replayedWorkReadsItsNewInput() throws {
    let gpu = simulated.kernels
    let replays = gpu.replays()
    let one = gpu.placed(Tensor([1, 1, 1], [3]))
    var runs = 0
    for round in 0..<5 {
      let input = gpu.placed(Tensor([Float](repeating: Float(round), count: 3), [3]))
      let sum = replays.run([3], input) {
        runs += 1
        return gpu.add(gpu.add($0, one), one)
      }
      #expect(gpu.onHost(sum).floats == [Float](repeating: Float(round + 2), count: 3))
    }
    // Once as it is, once to be recorded.
    #expect(runs == 2)
    try gpu.check()
  }

  @Test func countsOfRowsAreRoundedUp() {
    let replays = simulated.kernels.replays()
    #expect([1, 8, 9, 16, 100].map(replays.paddedCount) == [1, 8, 16, 16, 104])
    #expect(cpu.replays().paddedCount(9) == 9)
  }

  @Test func failureIsThrownAndResultsAreZero() throws {
    let simulated = try SimulatedKernels()
    let gpu = simulated.kernels
    let x = gpu.placed(Tensor([1, 2, 3], [3]))
    simulated.gpu.lose(719)
    #expect(gpu.onHost(gpu.add(x, x)).floats == [0, 0, 0])
    let fault = #expect(throws: Fault.self) { try gpu.check() }
    #expect(fault?.kind == .unavailable)
  }
}
