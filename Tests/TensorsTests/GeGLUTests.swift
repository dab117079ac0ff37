import Foundation
import Tensors
import Testing

/// y, dGate and dUp in float64.
private func reference(_ gate: Tensor, _ up: Tensor, dY: Tensor) -> [[Double]] {
  let root = (2 / Double.pi).squareRoot()
  let rows = zip(zip(gate.floats, up.floats), dY.floats).map { pair, d -> [Double] in
    let (x, u, d) = (Double(pair.0), Double(pair.1), Double(d))
    let t = tanh(root * (x + 0.044715 * x * x * x))
    let gelu = 0.5 * x * (1 + t)
    let slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x)
    return [gelu * u, d * u * slope, d * gelu]
  }
  return (0..<3).map { column in rows.map { $0[column] } }
}

struct GeGLUTests {
  @Test func gegluEqualsTorch() throws {
    let fixture = try OperationFixture("geglu")
    let inputs = try [fixture.tensor("gate"), fixture.tensor("up")]
    let result = try differentiated(inputs, dY: fixture.tensor("dY")) { $0.geglu($1[0], $1[1]) }
    for (tensor, name) in zip([result.output] + result.gradients, ["y", "dGate", "dUp"]) {
      #expect(try largestError(tensor, fixture.tensor(name)) < float32Tolerance, "\(name)")
    }
  }

  @Test(arguments: [[1], [3, 37], [1031], [40, 1031]], [DType.float32, .bfloat16])
  func gegluEqualsTheFormula(shape: Shape, dtype: DType) {
    let gate = randomTensor(shape, dtype, seed: 1, scale: 6)
    let up = randomTensor(shape, dtype, seed: 2)
    let dY = randomTensor(shape, dtype, seed: 3)
    let result = differentiated([gate, up], dY: dY) { $0.geglu($1[0], $1[1]) }
    // A share near 1 in dGate is subtracted from 1: 6e-8, times up to ten for the polynomial before it.
    let tolerance = dtype == .float32 ? 2 * float32Tolerance : bfloat16Tolerance
    for (tensor, values) in zip([result.output] + result.gradients, reference(gate, up, dY: dY)) {
      #expect(largestError(tensor, values) < tolerance)
    }
  }

  @Test func gegluBackwardMatchesFiniteDifferences() {
    let inputs = [randomTensor([3, 11], seed: 1, scale: 3), randomTensor([3, 11], seed: 2)]
    let errors = gradientErrors(of: inputs) { $0.geglu($1[0], $1[1]) }
    for error in errors { #expect(error < differencesTolerance) }
  }

  @Test func largeGatesPassOrCloseWithoutNaN() {
    let gate = Tensor([1e4, -1e4, 3e18, -3e18, 0], [5])
    let ones = Tensor([1, 1, 1, 1, 1], [5])
    let result = differentiated([gate, ones], dY: ones) { $0.geglu($1[0], $1[1]) }
    #expect(result.output.floats == [1e4, 0, 3e18, 0, 0])
    #expect(result.gradients[0].floats == [1, 0, 1, 0, 0.5])
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func gegluHasTheSameBitsOnAnyNumberOfThreads(dtype: DType) {
    let shape = [331, 307]
    let inputs = [randomTensor(shape, dtype, seed: 1), randomTensor(shape, dtype, seed: 2)]
    #expect(isEqualOnAnyThreads(inputs, dY: randomTensor(shape, dtype, seed: 3)) { $0.geglu($1[0], $1[1]) })
  }
}
