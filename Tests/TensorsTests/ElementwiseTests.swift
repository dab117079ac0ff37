import Foundation
import Tensors
import Testing

@Suite struct ElementwiseTests {
  /// One, a prime, one around a vector, and more than the share of one worker.
  static let counts = [1, 15, 17, 1009, 200_003]

  @Test(arguments: counts, [DType.float32, .bfloat16])
  func sumIsRoundedOnce(count: Int, dtype: DType) {
    let (a, b) = (randomTensor([count], dtype, seed: 1), randomTensor([count], dtype, seed: 2))
    let expected = zip(a.floats, b.floats).map { x, y in
      dtype == .float32 ? x + y : widened(roundedToBFloat16(x + y))
    }
    #expect(CPUKernels(threads: 2).add(a, b).floats == expected)
  }

  @Test(arguments: counts, [DType.float32, .bfloat16])
  func accumulateAddsInFloat32(count: Int, dtype: DType) {
    let (x, sum) = (randomTensor([count], dtype, seed: 1), randomTensor([count], seed: 2))
    let expected = zip(x.floats, sum.floats).map { $0 + $1 }
    CPUKernels(threads: 2).accumulate(x, into: sum)
    #expect(sum.floats == expected)
  }

  @Test(arguments: [DType.float32, .bfloat16], [DType.float32, .bfloat16])
  func convertedScalesAndRoundsOnce(from: DType, to: DType) {
    for count in Self.counts {
      let x = randomTensor([count], from, seed: 1)
      let expected = x.floats.map { to == .float32 ? 0.3 * $0 : widened(roundedToBFloat16(0.3 * $0)) }
      #expect(CPUKernels(threads: 2).converted(x, to: to, scale: 0.3).floats == expected)
    }
  }

  @Test func everyBFloat16SurvivesWidening() {
    let all = Tensor(uninitialized: [65536], .bfloat16)
    for i in 0..<65536 { all.bfloat16[i] = UInt16(i) }
    let kernels = CPUKernels(threads: 1)
    let back = kernels.converted(kernels.converted(all, to: .float32, scale: 1), to: .bfloat16, scale: 1)
    for i in 0..<65536 where !widened(UInt16(i)).isNaN { #expect(back.bfloat16[i] == UInt16(i)) }
    #expect(back.floats.map(\.isNaN) == all.floats.map(\.isNaN))
  }

  @Test func roundingMatchesTheScalarOneOnTiesAndEdges() {
    let edges: [UInt32] = [
      0x3F80_8000, 0x3F81_8000, 0x3F80_7FFF, 0x3F80_8001, 0x7F7F_FFFF, 0xFF7F_8000, 0x7F80_0000, 0x7F80_0001,
      0xFFC0_0000, 0, 0x8000_0000, 1, 0x8000, 0x8001, 0x0001_8000, 0x7FFF_FFFF, 0xFFFF_FFFF,
    ]
    let values = edges.map { Float(bitPattern: $0) }
    let rounded = CPUKernels(threads: 1).converted(Tensor(values, [values.count]), to: .bfloat16, scale: 1)
    #expect((0..<values.count).map { rounded.bfloat16[$0] } == values.map(roundedToBFloat16))
  }

  @Test func gradientsOfAddReachBothAndOneUsedTwice() {
    let inputs = [randomTensor([3, 5], seed: 1), randomTensor([3, 5], seed: 2)]
    let errors = gradientErrors(of: inputs) { operations, x in
      operations.add(operations.add(x[0], x[1]), operations.reshape(operations.reshape(x[0], [15]), [3, 5]))
    }
    // Linear: only float32 rounding, 2^-24 times the projection's 15 terms, over a step of 0.02.
    #expect(errors.allSatisfy { $0 < 1e-5 }, "\(errors)")
  }

  @Test func gradientOfConvertedComesBackInTheInputsType() {
    let tape = Tape()
    let kernels = CPUKernels(threads: 1)
    let x = tape.watch(randomTensor([7], .bfloat16, seed: 1))
    let y = Operations(kernels, tape: tape).converted(x, to: .float32)
    tape.backward(from: y, seed: randomTensor([7], seed: 2), kernels)
    #expect(x.node?.gradient?.dtype == .bfloat16)
    #expect(x.node?.gradient?.floats == randomTensor([7], .bfloat16, seed: 2).floats)
  }

  @Test func softCapMatchesTanh() {
    // Each row has one logit, so logits(...) is the soft cap of the input. The range covers both branches of
    // the polynomial.
    let x = (-4000...4000).map { Float($0) * 0.02 }
    let kernels = CPUKernels(threads: 2)
    let capped = kernels.logits(Tensor(x, [x.count, 1]), Tensor([1], [1, 1]), softCap: 10)
    for (input, output) in zip(x, capped.floats) {
      // Two units of tanh, and one each of the multiplication and the division.
      #expect(abs(Double(output) - 10 * tanh(Double(input) / 10)) <= 4 * Double(output.ulp))
    }
  }
}
