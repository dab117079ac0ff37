import Tensors
import Testing

/// y, dX and dWeight in float64.
private func reference(_ x: Tensor, _ weight: Tensor, dY: Tensor, epsilon: Double) -> [[Double]] {
  let width = x.rowLength
  let (xs, ws, ds) = (x.floats.map(Double.init), weight.floats.map(Double.init), dY.floats.map(Double.init))
  var (y, dX, dWeight) = (xs, xs, ws.map { _ in 0.0 })
  for start in stride(from: 0, to: xs.count, by: width) {
    let rows = 0..<width
    let rstd =
      1 / (rows.reduce(0) { $0 + xs[start + $1] * xs[start + $1] } / Double(width) + epsilon).squareRoot()
    let mean = rows.reduce(0) { $0 + ds[start + $1] * (1 + ws[$1]) * xs[start + $1] } / Double(width)
    for i in rows {
      y[start + i] = xs[start + i] * rstd * (1 + ws[i])
      dX[start + i] = rstd * (ds[start + i] * (1 + ws[i]) - xs[start + i] * rstd * rstd * mean)
      dWeight[i] += ds[start + i] * xs[start + i] * rstd
    }
  }
  return [y, dX, dWeight]
}

struct RMSNormTests {
  @Test func rmsNormEqualsTorch() throws {
    let fixture = try OperationFixture("rms_norm")
    let inputs = try [fixture.tensor("x"), fixture.tensor("weight")]
    let result = try differentiated(inputs, dY: fixture.tensor("dY")) {
      $0.rmsNorm($1[0], $1[1], epsilon: 1e-6)
    }
    for (tensor, name) in zip([result.output] + result.gradients, ["y", "dX", "dWeight"]) {
      #expect(try largestError(tensor, fixture.tensor(name)) < float32Tolerance, "\(name)")
    }
  }

  @Test(arguments: [[1, 1], [13, 7], [3, 257], [2, 3, 16], [70, 640]], [DType.float32, .bfloat16])
  func rmsNormEqualsNaiveSums(shape: Shape, dtype: DType) {
    let x = randomTensor(shape, dtype, seed: 1, scale: 3)
    let weight = randomTensor([x.rowLength], dtype, seed: 2)
    let dY = randomTensor(shape, dtype, seed: 3)
    let result = differentiated([x, weight], dY: dY) { $0.rmsNorm($1[0], $1[1], epsilon: 1e-3) }
    let expected = reference(x, weight, dY: dY, epsilon: 1e-3)
    // dX of a row of one element is the small difference of two equal terms but for epsilon.
    let tolerance = dtype == .bfloat16 ? bfloat16Tolerance : shape == [1, 1] ? 1e-3 : 2 * float32Tolerance
    for (tensor, values) in zip([result.output] + result.gradients, expected) {
      #expect(largestError(tensor, values) < tolerance)
    }
  }

  @Test func rmsNormBackwardMatchesFiniteDifferences() {
    let inputs = [randomTensor([3, 7], seed: 1, scale: 2), randomTensor([7], seed: 2)]
    let errors = gradientErrors(of: inputs) { $0.rmsNorm($1[0], $1[1], epsilon: 1e-2) }
    for error in errors { #expect(error < differencesTolerance) }
  }

  /// 1 + 2^-10 is 1 in bfloat16.
  @Test func smallWeightsAreNotLost() {
    let x = Tensor(Array(repeating: 1, count: 16), [1, 16])
    let weight = bfloat16(Tensor(Array(repeating: 0x1p-10, count: 16), [16]))
    let y = Operations(CPUKernels(threads: 1)).rmsNorm(x, weight, epsilon: 0)
    #expect(y.floats == Array(repeating: 1 + 0x1p-10, count: 16))
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func rmsNormHasTheSameBitsOnAnyNumberOfThreads(dtype: DType) {
    let inputs = [randomTensor([307, 640], dtype, seed: 1), randomTensor([640], dtype, seed: 2)]
    let dY = randomTensor([307, 640], dtype, seed: 3)
    #expect(isEqualOnAnyThreads(inputs, dY: dY) { $0.rmsNorm($1[0], $1[1], epsilon: 1e-6) })
  }
}
