import Files
import Foundation
import Tensors
import Testing

/// Reference values of the optimizer, made by `scripts/make_reference.py`.
let adamWFixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Fixtures/optimizer").path

/// One run of the reference: a tensor through several steps.
private struct Case: CustomTestStringConvertible, Sendable {
  let type: String
  let name: String
  let bits: Int
  let count: Int
  let weightDecay: Float
  let gradientScale: Float
  var testDescription: String { "\(type).\(name)" }

  static let all: [Case] = ["float32", "bfloat16"].flatMap { type in
    [
      Case(type: type, name: "plain", bits: 8, count: 5003, weightDecay: 0, gradientScale: 1),
      Case(type: type, name: "decay_clip", bits: 8, count: 5003, weightDecay: 0.01, gradientScale: 0.37),
      Case(type: type, name: "decay", bits: 8, count: 4096, weightDecay: 0.01, gradientScale: 1),
      Case(type: type, name: "clip", bits: 8, count: 4096, weightDecay: 0, gradientScale: 0.37),
      Case(type: type, name: "state32", bits: 32, count: 1000, weightDecay: 0, gradientScale: 1),
      Case(
        type: type, name: "state32_decay_clip", bits: 32, count: 1000, weightDecay: 0.01, gradientScale: 0.37),
    ]
  }

  func step(_ step: Int) -> AdamWStep {
    AdamWStep(
      step: step, learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: weightDecay,
      gradientScale: gradientScale)
  }
}

/// Moments of both kinds for `count` elements, all zero.
private struct States {
  let codes1: Tensor, codes2: Tensor, absmax1: Tensor, absmax2: Tensor, moment1: Tensor, moment2: Tensor

  init(count: Int) {
    codes1 = Tensor(zeros: [count], .uint8)
    codes2 = Tensor(zeros: [count], .uint8)
    absmax1 = Tensor(zeros: [(count + 255) / 256], .float32)
    absmax2 = Tensor(zeros: [(count + 255) / 256], .float32)
    moment1 = Tensor(zeros: [count], .float32)
    moment2 = Tensor(zeros: [count], .float32)
  }

  func stepped(_ update: AdamWUpdate, bits: Int, threads: Int = 1) -> Int {
    let kernels = CPUKernels(threads: threads)
    return bits == 8
      ? kernels.adamW8bit(update, codes1: codes1, codes2: codes2, absmax1: absmax1, absmax2: absmax2)
      : kernels.adamW32bit(update, moment1: moment1, moment2: moment2)
  }
}

/// Whether two tensors hold the same bytes.
private func sameBytes(_ a: Tensor, _ b: Tensor) -> Bool {
  a.dtype == b.dtype && a.shape == b.shape && memcmp(a.bytes, b.bytes, a.byteCount) == 0
}

/// Numbers around zero over several decades. Each call gives the same ones.
private func spread(_ count: Int, seed: UInt64, decades: Float) -> [Float] {
  let key = RandomKey(seed: seed, stream: 0)
  return (0..<count).map { index in
    let value = key.uniform(at: UInt64(2 * index)) - 0.5
    return value * powf(10, -decades * key.uniform(at: UInt64(2 * index + 1)))
  }
}

/// `values` as bfloat16.
private func bfloat16(_ values: [Float]) -> Tensor {
  let tensor = Tensor(uninitialized: [values.count], .bfloat16)
  for (index, value) in values.enumerated() { tensor.bfloat16[index] = roundedToBFloat16(value) }
  return tensor
}

@Suite struct AdamWKernelTests {
  @Test(arguments: Case.all) private func stepsEqualTheReferenceByteForByte(_ test: Case) throws {
    let file = try SafetensorsFile(path: adamWFixtures + "/adamw8.safetensors")
    let parameter = try file.tensor(named: test.type + ".p0").rows(0..<test.count).copied()
    let gradients = try file.tensor(named: test.type + ".g")
    let states = States(count: test.count)
    #expect(gradients.shape[0] == 5)
    for step in 1...gradients.shape[0] {
      let row = gradients.rows(step - 1..<step).reshaped([gradients.shape[1]]).rows(0..<test.count)
      let update = AdamWUpdate(
        parameter: parameter, gradient: Tensor(row.floats, [test.count]), weights: nil, rounding: .nearest,
        step: test.step(step))
      _ = states.stepped(update, bits: test.bits, threads: 1 + step % 2)
    }
    var expected = [("p", parameter)]
    if test.bits == 8 {
      expected += [("codes1", states.codes1), ("codes2", states.codes2)]
      expected += [("absmax1", states.absmax1), ("absmax2", states.absmax2)]
    } else {
      expected += [("m", states.moment1), ("v", states.moment2)]
    }
    for (name, tensor) in expected {
      #expect(sameBytes(tensor, try file.tensor(named: "\(test.testDescription).\(name)")), "\(name)")
    }
  }

  @Test func codesEqualTheLiteralSearch() {
    // bitsandbytes' own search, with its running bounds.
    func literal(_ map: [Float], _ x: Float, lowest: Float) -> Int {
      var (pivot, upper, lower) = (127, 255, 0)
      var (low, high, value) = (lowest, Float(1), map[127])
      for step in [64, 32, 16, 8, 4, 2, 1] {
        if x > value {
          (lower, low, pivot) = (pivot, value, pivot + step)
        } else {
          (upper, high, pivot) = (pivot, value, pivot - step)
        }
        value = map[pivot]
      }
      if x > value { return x > (high + value) * 0.5 ? upper : pivot }
      return x < (low + value) * 0.5 ? lower : pivot
    }
    // At beta = 0, m = g and v = g²: the codes are those of g and g² over their blocks' maxima, which are 1
    // (each block's first element). Middles of codes and their neighbours are among the values.
    var values: [Float] = []
    for (low, high) in zip(CodeMaps.signed, CodeMaps.signed.dropFirst()) {
      let middle = (low + high) * 0.5
      values += [low, middle, middle.nextUp, middle.nextDown]
    }
    values += spread(4000, seed: 3, decades: 8)
    var gradient: [Float] = []
    for start in stride(from: 0, to: values.count, by: 255) {
      gradient += [1] + values[start..<min(start + 255, values.count)]
    }
    let states = States(count: gradient.count)
    let step = AdamWStep(
      step: 1, learningRate: 0, beta1: 0, beta2: 0, epsilon: 1, weightDecay: 0, gradientScale: 1)
    let update = AdamWUpdate(
      parameter: Tensor(zeros: [gradient.count], .float32), gradient: Tensor(gradient, [gradient.count]),
      weights: nil, rounding: .nearest, step: step)
    _ = states.stepped(update, bits: 8)
    #expect(states.absmax1.floats.allSatisfy { $0 == 1 })
    for (index, value) in gradient.enumerated() {
      var code = literal(CodeMaps.signed, value, lowest: -1)
      if (CodeMaps.signed[code].sign == .minus) != (value.sign == .minus) { code += value > 0 ? 1 : -1 }
      #expect(Int(states.codes1.uint8[index]) == code, "first moment \(value)")
      #expect(
        Int(states.codes2.uint8[index]) == literal(CodeMaps.unsigned, value * value, lowest: 0),
        "second \(value)")
    }
  }

  @Test func allZeroBlockHasCodes255And0() {
    let states = States(count: 300)
    let update = AdamWUpdate(
      parameter: Tensor([Float](repeating: 0.5, count: 300), [300]), gradient: Tensor(zeros: [300], .float32),
      weights: nil, rounding: .nearest, step: Case.all[0].step(1))
    #expect(states.stepped(update, bits: 8) == 0)
    #expect(states.codes1.floats.allSatisfy { $0 == 255 } && states.codes2.floats.allSatisfy { $0 == 0 })
    #expect(states.absmax1.floats == [0, 0] && update.parameter.floats.allSatisfy { $0 == 0.5 })
  }

  @Test(arguments: [8, 32]) func bitsDoNotDependOnThreads(bits: Int) {
    let count = 3 * 64 * 256 + 77
    let results = [1, 2, 3].map { threads -> (Tensor, States, Int) in
      let states = States(count: count)
      let parameter = Tensor(spread(count, seed: 1, decades: 0), [count])
      let gradient = Tensor(spread(count, seed: 2, decades: 6), [count])
      let update = AdamWUpdate(
        parameter: parameter, gradient: gradient, weights: nil, rounding: .nearest, step: Case.all[0].step(1))
      let changed = states.stepped(update, bits: bits, threads: threads)
      return (parameter, states, changed)
    }
    for result in results.dropFirst() {
      #expect(sameBytes(result.0, results[0].0) && result.2 == results[0].2)
      #expect(
        sameBytes(result.1.codes1, results[0].1.codes1) && sameBytes(result.1.moment2, results[0].1.moment2))
    }
  }

  @Test(arguments: [8, 32]) func weightsAreTheRoundedMasterAndChangesAreCounted(bits: Int) {
    let count = 1000
    let states = States(count: count)
    let master = Tensor(spread(count, seed: 1, decades: 4), [count])
    let weights = bfloat16(master.floats)
    let before = weights.copied()
    let update = AdamWUpdate(
      parameter: master, gradient: Tensor(spread(count, seed: 2, decades: 3), [count]), weights: weights,
      rounding: .nearest,
      step: AdamWStep(
        step: 1, learningRate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, gradientScale: 1
      ))
    let changed = states.stepped(update, bits: bits)
    #expect(sameBytes(weights, bfloat16(master.floats)))
    let differing = (0..<count).count { before.bfloat16[$0] != weights.bfloat16[$0] }
    #expect(changed == differing && differing > 100 && differing < 900)
  }

  @Test(arguments: [8, 32]) func changesOfTheParameterAreCounted(bits: Int) {
    let parameter = bfloat16(spread(1000, seed: 1, decades: 4))
    let before = parameter.copied()
    let update = AdamWUpdate(
      parameter: parameter, gradient: Tensor(spread(1000, seed: 2, decades: 3), [1000]), weights: nil,
      rounding: .nearest,
      step: AdamWStep(
        step: 1, learningRate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, gradientScale: 1
      ))
    let changed = States(count: 1000).stepped(update, bits: bits)
    #expect(changed == (0..<1000).count { before.bfloat16[$0] != parameter.bfloat16[$0] })
    #expect(changed > 100 && changed < 900)
  }

  @Test(arguments: [8, 32], [DecayOrder.beforeStep, .afterStep])
  func stochasticRoundingFollowsItsDefinition(bits: Int, order: DecayOrder) {
    var step = Case.all[1].step(1)
    step.decayOrder = order
    let count = 64 * 256 + 300
    let key = RandomKey(seed: 9, stream: 4)
    let values = bfloat16(spread(count, seed: 1, decades: 2))
    let gradient = Tensor(spread(count, seed: 2, decades: 3), [count])
    let exact = Tensor(values.floats, [count])
    let rounded = values.copied()
    for (parameter, rounding) in [(exact, Rounding.nearest), (rounded, .stochastic(key))] {
      let update = AdamWUpdate(
        parameter: parameter, gradient: gradient, weights: nil, rounding: rounding, step: step)
      _ = States(count: count).stepped(update, bits: bits, threads: 2)
    }
    for index in 0..<count {
      let random = UInt32(key.bits(at: UInt64(index)) >> 48)
      let expected = UInt16((exact.float32[index].bitPattern + random) >> 16)
      #expect(rounded.bfloat16[index] == expected, "element \(index)")
    }
  }

  @Test func decayComesBeforeOrAfterTheStep() {
    // The first step of a constant gradient is the learning rate, 0.5. The decay is a factor of 0.95.
    for (order, expected) in [(DecayOrder.beforeStep, Float(0.45)), (.afterStep, 0.475)] {
      for bits in [8, 32] {
        let update = AdamWUpdate(
          parameter: Tensor([1], [1]), gradient: Tensor([1], [1]), weights: nil, rounding: .nearest,
          step: AdamWStep(
            step: 1, learningRate: 0.5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1,
            gradientScale: 1, decayOrder: order))
        _ = States(count: 1).stepped(update, bits: bits)
        // The bias corrections are rounded: 1 - 0.999 has an error of 3e-5 in float32.
        #expect(abs(update.parameter.floats[0] - expected) < 1e-4)
      }
    }
  }

  @Test func sumOfSquaresIsThatOfFloat64AndOfAnyThreads() {
    for count in [0, 1, 17, 1000, 40_000] {
      let values = spread(count, seed: 5, decades: 6)
      let sum = values.reduce(0.0) { $0 + Double($1) * Double($1) }
      let one = CPUKernels(threads: 1).sumOfSquares(Tensor(values, [count]))
      // 40,000 positive terms in another order: an error of at most 40,000 units of 2^-53.
      #expect(abs(one - sum) <= 40_000 * 0x1p-53 * sum)
      #expect(one == CPUKernels(threads: 3).sumOfSquares(Tensor(values, [count])))
    }
  }

  @Test(arguments: [8, 32], [DType.float32, .bfloat16])
  func bfloat16GradientGivesTheBytesOfItsFloat32Copy(bits: Int, dtype: DType) {
    let count = 2 * 64 * 256 + 77
    let narrow = bfloat16(spread(count, seed: 2, decades: 6))
    narrow.bfloat16[1000] = roundedToBFloat16(.infinity)
    let results = [narrow, Tensor(narrow.floats, [count])].map { gradient -> [Tensor] in
      let states = States(count: count)
      let values = spread(count, seed: 1, decades: 2)
      let parameter = dtype == .float32 ? Tensor(values, [count]) : bfloat16(values)
      for step in 1...3 {
        let update = AdamWUpdate(
          parameter: parameter, gradient: gradient, weights: nil, rounding: .nearest,
          step: Case.all[1].step(step))
        _ = states.stepped(update, bits: bits, threads: 2)
      }
      return [
        parameter, states.codes1, states.codes2, states.absmax1, states.absmax2, states.moment1,
        states.moment2,
      ]
    }
    #expect(zip(results[0], results[1]).allSatisfy(sameBytes))
    #expect(results[0][0].floats[2] != spread(count, seed: 1, decades: 2)[2])
  }

  @Test func sumOfSquaresOfBFloat16HasTheBitsOfItsFloat32Copy() {
    for count in [1, 17, 40_000] {
      let narrow = bfloat16(spread(count, seed: 5, decades: 6))
      let kernels = CPUKernels(threads: 2)
      let sum = kernels.sumOfSquares(narrow)
      #expect(sum > 0 && sum == kernels.sumOfSquares(Tensor(narrow.floats, [count])))
    }
  }

  @Test func sumOfSquaresOfANaNIsNaN() {
    var values = [Float](repeating: 1, count: 100)
    values[37] = .nan
    #expect(CPUKernels(threads: 1).sumOfSquares(Tensor(values, [100])).isNaN)
  }
}
