import Foundation
import Tensors
import Testing

struct RotaryTests {
  @Test(arguments: [("plain", 10000, 1), ("scaled", 1e6, 8)])
  func rotaryEqualsTorch(name: String, theta: Double, scale: Double) throws {
    let fixture = try OperationFixture("rope")
    let positions = try fixture.tensor("positions")
    let table = RotaryTable(headDim: 14, theta: theta, linearScale: scale)
    let x = try fixture.tensor("x", rowLength: 42)
    let result = try differentiated([x], dY: fixture.tensor("dY", rowLength: 42)) {
      $0.rotary($1[0], positions: positions, table)
    }
    // At position 1000, a frequency rounded to float32 moves the angle by up to 1000 · 2^-24 = 6e-5.
    #expect(try largestError(result.output, fixture.tensor("\(name).y", rowLength: 42)) < 4e-5)
    #expect(try largestError(result.gradients[0], fixture.tensor("\(name).dX", rowLength: 42)) < 4e-5)
  }

  /// Compared with cosines and sines in float64 of the float32 angle, over the positions of a long context.
  @Test(arguments: [0, 1, 7, 190, 8191, 131_071] as [Int32], [DType.float32, .bfloat16])
  func rotaryEqualsExactCosinesAndSines(position: Int32, dtype: DType) {
    let table = RotaryTable(headDim: 256, theta: 10000, linearScale: 1)
    let x = randomTensor([1, 512], dtype, seed: 4)
    let y = Operations(CPUKernels(threads: 1)).rotary(x, positions: Tensor([position]), table)
    let values = x.floats.map(Double.init)
    let expected = values.indices.map { i -> Double in
      let angle = Double(Float(position) * table.inverseFrequencies[i % 128])
      let isFirst = i % 256 < 128
      return values[i] * cos(angle) + (isFirst ? -values[i + 128] : values[i - 128]) * sin(angle)
    }
    #expect(largestError(y, expected) < (dtype == .float32 ? 3e-7 : bfloat16Tolerance))
  }

  @Test func rotaryBackwardMatchesFiniteDifferences() {
    let table = RotaryTable(headDim: 6, theta: 100, linearScale: 1)
    let errors = gradientErrors(of: [randomTensor([5, 18], seed: 1)]) {
      $0.rotary($1[0], positions: Tensor([0, 1, 2, 0, 1]), table)
    }
    #expect(errors[0] < differencesTolerance)
  }

  @Test func sequencesOfABatchRestartAtPositionZero() {
    let table = RotaryTable(headDim: 8, theta: 100, linearScale: 1)
    let x = randomTensor([150, 16], seed: 2)
    let operations = Operations(CPUKernels(threads: 1))
    let both = operations.rotary(x, positions: Tensor(Array(0..<90) + Array(0..<60)), table)
    let second = operations.rotary(x.rows(90..<150), positions: Tensor(Array(0..<60)), table)
    #expect(bits(both.rows(90..<150)) == bits(second))
    #expect(bits(both.rows(90..<91)) == bits(x.rows(90..<91)))
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func rotaryHasTheSameBitsOnAnyNumberOfThreads(dtype: DType) {
    let table = RotaryTable(headDim: 32, theta: 10000, linearScale: 1)
    let positions = Tensor((0..<300).map { Int32($0) })
    #expect(
      isEqualOnAnyThreads(
        [randomTensor([300, 96], dtype, seed: 1)], dY: randomTensor([300, 96], dtype, seed: 2)
      ) {
        $0.rotary($1[0], positions: positions, table)
      })
  }
}
