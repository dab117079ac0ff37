import CUDARuntime
import Files
import KernelCases
import SimulatedGPUTesting
import Tensors
import Testing

/// The CUDA conformer on the simulated GPU: every kernel case against the truth and against the CPU, and what
/// is particular to a device.
@Suite(.serialized) struct CUDAKernelsTests {
  private let simulated: SimulatedKernels
  private let cpu = CPUKernels(threads: 1)

  // The suite's tests run one after another.
  nonisolated(unsafe) private static let shared = Result { try SimulatedKernels() }

  init() throws { simulated = try Self.shared.get().onThisThread() }

  /// Runs `body` on both, on inputs in the place of each, and compares all results.
  private func expectAgreement(
    _ inputs: [Tensor], tolerance: Double? = nil, _ note: String = "",
    _ body: (any Kernels, [Tensor]) -> [Tensor]
  ) throws {
    let expected = body(cpu, inputs.map { $0.copied() })
    let gpu = simulated.kernels
    let actual = body(gpu, inputs.map(gpu.placed)).map(gpu.onHost)
    try gpu.check()
    expectClose(actual, expected, note) { tolerance ?? CaseTolerance($1).simulated }
  }

  private func expectClose(
    _ actual: [Tensor], _ expected: [Tensor], _ note: String, allowed: (Int, DType) -> Double
  ) {
    #expect(actual.count == expected.count, "\(note)")
    for (index, (actual, expected)) in zip(actual, expected).enumerated() {
      #expect(actual.dtype == expected.dtype && actual.shape == expected.shape, "result \(index) \(note)")
      let error = largestError(actual, expected)
      #expect(error <= allowed(index, expected.dtype), "result \(index): \(error) \(note)")
    }
  }

  private static let types: [DType] = [.float32, .bfloat16]

  // MARK: - All operations

  private static let sizes = Array(CaseSizes.small.indices)

  @Test(arguments: sizes) func everyCaseGivesTheTruth(size: Int) throws {
    for example in KernelCases(CaseSizes.small[size]).all {
      for (index, error) in try example.errorsFromTruth(simulated.kernels).enumerated() {
        #expect(error ?? 0 <= 1, "result \(index): \(error ?? 0), \(example.title), size \(size)")
      }
    }
  }

  /// Float32 sums have another order there, and e^x another last digit; bfloat16 results may then round the
  /// other way: one of 256 steps of the largest value.
  @Test(arguments: sizes) func everyCaseAgreesWithTheCPU(size: Int) throws {
    for example in KernelCases(CaseSizes.small[size]).all {
      let inputs = example.drawnInputs()
      let expected = try example.results(cpu, inputs)
      let actual = try example.results(simulated.kernels, inputs)
      expectClose(actual, expected, "\(example.title), size \(size)") {
        example.tolerance($0, $1).simulated
      }
    }
  }

  // MARK: - Products

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

  // MARK: - Vocabulary

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
    // The logits of this few rows are no product of cuBLASLt's. The first product that it is asked for is the
    // gradient's, of sizes that no other test has.
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

  @Test func anInfiniteGradientLeavesNoFactor() throws {
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
