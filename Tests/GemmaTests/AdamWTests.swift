import Foundation
import Gemma
import Tensors
import Testing

private func settings(
  eightBit: Bool = true, decay: Float = 0, _ update: AdamW.LowPrecisionUpdate = .master
) -> AdamW.Settings {
  AdamW.Settings(
    eightBit: eightBit, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: decay,
    lowPrecisionUpdate: update)
}

/// `count` values in ±0.5, drawn from `seed`.
private func values(_ count: Int, seed: UInt64) -> [Float] {
  let key = RandomKey(seed: seed, stream: 0)
  return (0..<count).map { key.uniform(at: UInt64($0)) - 0.5 }
}

private func bfloat16(_ values: [Float]) -> Tensor {
  let tensor = Tensor(uninitialized: [values.count], .bfloat16)
  for (index, value) in values.enumerated() { tensor.bfloat16[index] = roundedToBFloat16(value) }
  return tensor
}

/// The weight of a linear map.
private func matrix(_ name: String, _ weights: Tensor) -> Parameter { Parameter(name, .matrix(.up), weights) }

private func is8bit(_ state: AdamW.State?) -> Bool? {
  state.map { if case .codes = $0.moments { true } else { false } }
}

@Suite struct AdamWTests {
  private let kernels = CPUKernels(threads: 2)

  @Test func statesHave8BitsFrom4096ElementsButNotInTheEmbedding() {
    let roles: [(String, ParameterRole, Int)] = [
      ("embedding", .embedding, 4096), ("up", .matrix(.up), 4096), ("key", .matrix(.key), 4095),
    ]
    let parameters = roles.map { Parameter($0.0, $0.1, Tensor(zeros: [$0.2], .float32)) }
    let optimizer = AdamW(settings(), parameters, kernels)
    #expect(parameters.map { is8bit(optimizer.state(named: $0.name)) } == [false, true, false])
    let wide = AdamW(settings(eightBit: false), parameters, kernels)
    #expect(parameters.map { is8bit(wide.state(named: $0.name)) } == [false, false, false])
    #expect(optimizer.state(named: "other") == nil)
  }

  @Test func stateNamesAreThoseOfBitsandbytes() {
    let parameters = [("a", 4096), ("b", 10)].map { matrix($0.0, Tensor(zeros: [$0.1], .float32)) }
    let optimizer = AdamW(settings(), parameters, kernels)
    #expect(
      optimizer.states.map { $0.moments.tensors.map(\.name) } == [
        ["state1", "state2", "absmax1", "absmax2"], ["state1", "state2"],
      ])
    #expect(optimizer.states[0].moments.tensors.map(\.tensor.count) == [4096, 4096, 16, 16])
  }

  @Test func stateBytesAreThoseOfTheStates() {
    let shapes = [
      ParameterShape("embedding", .embedding, [50, 100]), ParameterShape("a", .matrix(.up), [41, 100]),
      ParameterShape("norm", .norm, [100]),
    ]
    for dtype in [DType.float32, .bfloat16] {
      for settings in [settings(), settings(eightBit: false), settings(.nearest)] {
        let parameters = shapes.map { Parameter($0.name, $0.role, Tensor(zeros: $0.shape, dtype)) }
        let optimizer = AdamW(settings, parameters, kernels)
        let bytes = optimizer.states.reduce(0) { sum, state in
          sum + (state.master?.byteCount ?? 0) + state.moments.tensors.reduce(0) { $0 + $1.tensor.byteCount }
        }
        #expect(AdamW.stateBytes(shapes, dtype, settings) == bytes)
      }
    }
  }

  @Test func masterKeepsWhatBFloat16RoundsAway() {
    // A step of 1e-4 against weights of 1 with a spacing of 2^-7 (2^-8 below 1): one is lost, 50 are not.
    let weights = bfloat16([Float](repeating: 1, count: 8))
    let optimizer = AdamW(settings(.master), [matrix("a", weights)], kernels)
    let gradient = Tensor([Float](repeating: 1, count: 8), [8])
    #expect(optimizer.apply([gradient], learningRate: 1e-4).ints == [0])
    #expect(weights.floats == [Float](repeating: 1, count: 8))
    #expect(optimizer.states[0].master?.floats.allSatisfy { abs($0 - 0.9999) < 1e-6 } == true)
    for _ in 0..<50 { _ = optimizer.apply([gradient], learningRate: 1e-4) }
    #expect(weights.floats.allSatisfy { abs($0 - 0.9949) <= 0.002 })
    #expect(optimizer.step == 51)
  }

  @Test func nearestLosesSmallSteps() {
    let weights = bfloat16([Float](repeating: 1, count: 8))
    let optimizer = AdamW(settings(.nearest), [matrix("a", weights)], kernels)
    let gradient = Tensor([Float](repeating: 1, count: 8), [8])
    for _ in 0..<50 { #expect(optimizer.apply([gradient], learningRate: 1e-4).ints == [0]) }
    #expect(optimizer.states[0].master == nil && weights.floats == [Float](repeating: 1, count: 8))
  }

  @Test func nearestRoundsTheClippedGradientToBFloat16() {
    let gradient = Tensor(values(300, seed: 1), [300])
    let scale = 0.37
    let weights = bfloat16(values(300, seed: 2))
    let expected = weights.copied()
    let optimizer = AdamW(settings(.nearest), [matrix("a", weights)], kernels)
    _ = optimizer.apply([gradient], learningRate: 1e-3, clip: Tensor([Float(scale)], [1]))
    // The expected result by hand: float32 moments of the rounded values.
    let rounded = gradient.floats.map {
      widened(roundedToBFloat16(widened(roundedToBFloat16($0)) * Float(scale)))
    }
    let moments = (Tensor(zeros: [300], .float32), Tensor(zeros: [300], .float32))
    let step = AdamWStep(
      step: 1, learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, gradientScale: 1)
    let update = AdamWUpdate(
      parameter: expected, gradient: Tensor(rounded, [300]), weights: nil, rounding: .nearest, step: step)
    _ = kernels.adamW32bit(update, moment1: moments.0, moment2: moments.1)
    #expect(weights.floats == expected.floats)
    #expect(optimizer.states[0].moments.tensors[0].tensor.floats == moments.0.floats)
  }

  @Test(arguments: [AdamW.LowPrecisionUpdate.master, .stochastic(RandomKey(seed: 1, stream: 5)), .nearest])
  func bfloat16GradientsGiveTheWeightsOfTheirFloat32Copies(_ update: AdamW.LowPrecisionUpdate) {
    let narrow = bfloat16(values(5000, seed: 1))
    let trained = [narrow, Tensor(narrow.floats, [5000])].map { gradient in
      let weights = bfloat16(values(5000, seed: 2))
      let optimizer = AdamW(settings(update), [matrix("a", weights)], kernels)
      for _ in 0..<3 { _ = optimizer.apply([gradient], learningRate: 1e-3, clip: Tensor([0.37], [1])) }
      return weights.floats
    }
    #expect(trained[0] == trained[1] && trained[0] != bfloat16(values(5000, seed: 2)).floats)
  }

  @Test func stochasticRoundingIsRightOnAverageAndRepeats() {
    let gradient = Tensor([Float](repeating: 1, count: 20_000), [20_000])
    func trained(_ seed: UInt64) -> Tensor {
      let weights = bfloat16([Float](repeating: 1, count: 20_000))
      let key = RandomKey(seed: seed, stream: 5)
      let optimizer = AdamW(settings(.stochastic(key)), [matrix("a", weights)], kernels)
      for _ in 0..<10 { _ = optimizer.apply([gradient], learningRate: 1e-4) }
      return weights
    }
    let weights = trained(1)
    // Ten steps of 1e-4, each up or down by 2^-8 at random. The mean deviates by about 2^-8 · √(0.26 /
    // 20,000).
    let mean = weights.floats.reduce(0.0) { $0 + Double($1) } / 20_000
    #expect(abs(mean - 0.999) < 1e-4)
    #expect(trained(1).floats == weights.floats && trained(2).floats != weights.floats)
  }

  @Test func stepsAndTensorsDrawDifferentRoundings() {
    let gradient = Tensor([Float](repeating: 1, count: 5000), [5000])
    let pair = (0..<2).map { _ in bfloat16([Float](repeating: 1, count: 5000)) }
    let optimizer = AdamW(
      settings(.stochastic(RandomKey(seed: 1, stream: 5))), [matrix("a", pair[0]), matrix("b", pair[1])],
      kernels)
    _ = optimizer.apply([gradient, gradient], learningRate: 1e-3)
    #expect(pair[0].floats != pair[1].floats)
  }

  @Test func everyStepDrawsOtherRoundings() {
    let ones = [Float](repeating: 1, count: 5000)
    let weights = bfloat16(ones)
    let optimizer = AdamW(
      settings(.stochastic(RandomKey(seed: 1, stream: 5))), [matrix("a", weights)], kernels)
    let results = (0..<2).map { _ in
      for index in ones.indices { weights.bfloat16[index] = roundedToBFloat16(1) }
      _ = optimizer.apply([Tensor(ones, [5000])], learningRate: 1e-3)
      return weights.floats
    }
    #expect(results[0] != results[1] && results[0] != ones)
  }

  @Test func float32WeightsHaveNoMasterCopy() {
    let optimizer = AdamW(settings(.master), [matrix("a", Tensor(zeros: [4], .float32))], kernels)
    #expect(optimizer.states[0].master == nil)
  }

  @Test func normsDoNotDecay() {
    let roles: [ParameterRole] = [.norm, .matrix(.up), .embedding, .adapterA(.up), .adapterB(.up)]
    let parameters = roles.map { Parameter("\($0)", $0, Tensor([2], [1])) }
    let optimizer = AdamW(settings(decay: 0.1), parameters, kernels)
    _ = optimizer.apply(roles.map { _ in Tensor([0], [1]) }, learningRate: 0.5)
    #expect(parameters.map { $0.tensor.floats[0] } == [2, 1.9, 1.9, 1.9, 1.9])
  }

  @Test func firstStepMovesByTheLearningRate() {
    let weights = Tensor([1, 1, 1], [3])
    let optimizer = AdamW(settings(), [matrix("a", weights)], kernels)
    let changed = optimizer.apply([Tensor([3, -0.01, 0], [3])], learningRate: 1e-2, clip: Tensor([0.5], [1]))
    #expect(changed.ints == [2])
    // Adam's first step is the sign of the gradient. Bias corrections and epsilon move it by parts in 10^5.
    for (value, expected) in zip(weights.floats, [0.99, 1.01, 1] as [Float]) {
      #expect(abs(value - expected) < 1e-6)
    }
  }

  @Test func clippingFollowsTorch() {
    func clip(_ gradient: [Float], to maxNorm: Double = 1) -> Float {
      kernels.gradientNorms([Tensor(gradient, [2])], maxNorm: maxNorm).clip.floats[0]
    }
    #expect(clip([0.3, 0.4]) == 1)
    #expect(clip([0, 4]) == Float(1 / (4 + 1e-6)))
    #expect(clip([0, 0]) == 1)
    #expect(clip([0, .infinity]).isNaN)
  }

  @Test(arguments: [[0, 0], [3e-20, 0], [0, 4], [3e38, 3e38]] as [[Float]])
  func infiniteLargestNormClipsNothing(gradient: [Float]) {
    let norms = kernels.gradientNorms([Tensor(gradient, [2])], maxNorm: .infinity)
    #expect(norms.clip.floats == [1])
    #expect(kernels.gradientNorms([Tensor([0, .nan], [2])], maxNorm: .infinity).clip.floats[0].isNaN)
  }

  @Test func globalNormIsThatOfAllGradientsTogether() {
    let norms = kernels.gradientNorms([Tensor([3], [1]), Tensor([0, 4], [2])], maxNorm: 1)
    #expect(norms.norms.floats == [3, 4, 5])
  }
}
