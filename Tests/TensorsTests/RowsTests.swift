import Tensors
import Testing

struct RowsTests {
  @Test(arguments: [DType.float32, .bfloat16])
  func gatherTakesRowsAndAddsTheirGradients(dtype: DType) {
    let x = randomTensor([5, 3], dtype, seed: 1)
    let dY = randomTensor([3, 3], dtype, seed: 2)
    let result = differentiated([x], dY: dY) { $0.gather($1[0], rows: Tensor([4, 1, 4])) }
    #expect(bits(result.output) == [4, 1, 4].flatMap { bits(x.rows($0..<$0 + 1)) })
    let d = dY.floats
    let zeros: [Float] = [0, 0, 0]
    let sums = (0..<3).map {
      dtype == .float32 ? d[$0] + d[6 + $0] : widened(roundedToBFloat16(d[$0] + d[6 + $0]))
    }
    #expect(result.gradients[0].floats == zeros + d[3..<6] + zeros + zeros + sums)
  }

  @Test func gatherBackwardMatchesFiniteDifferences() {
    let errors = gradientErrors(of: [randomTensor([7, 5], seed: 1)]) {
      $0.gather($1[0], rows: Tensor([0, 6, 6, 2]))
    }
    #expect(errors[0] < differencesTolerance)
  }

  @Test func gatherOfNoRowsIsEmpty() {
    let x = randomTensor([2, 3], seed: 1)
    let result = differentiated([x], dY: Tensor([], [0, 3])) { $0.gather($1[0], rows: Tensor([Int32]())) }
    #expect(result.output.shape == [0, 3])
    #expect(result.gradients[0].floats == [0, 0, 0, 0, 0, 0])
  }
}
