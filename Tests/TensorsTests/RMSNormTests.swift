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
    // dX of a row of one element is the small difference of two terms, which are equal except for epsilon.
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

  /// 1 + 2^-10 is 1 in bfloat16. The row's root mean square is 0.99667, so the normed 1 is 1.00334. That is
  /// below 1 + 2^-8, where bfloat16 begins to round up, and above it after the product with 1 + 2^-10.
  @Test func smallWeightsAreNotLost() {
    let x = bfloat16(Tensor(Array(repeating: 1, count: 15) + [0.9453125], [1, 16]))
    let weight = bfloat16(Tensor(Array(repeating: 0x1p-10, count: 16), [16]))
    let operations = Operations(CPUKernels(threads: 1))
    let y = operations.rmsNorm(x, weight, epsilon: 0).floats
    #expect(y[..<15].allSatisfy { $0 == 1 + 0x1p-7 })
    let without = operations.rmsNorm(x, Tensor(zeros: [16], .bfloat16), epsilon: 0).floats
    #expect(without[..<15].allSatisfy { $0 == 1 })
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func rmsNormHasTheSameBitsOnAnyNumberOfThreads(dtype: DType) {
    let inputs = [randomTensor([307, 640], dtype, seed: 1), randomTensor([640], dtype, seed: 2)]
    let dY = randomTensor([307, 640], dtype, seed: 3)
    #expect(isEqualOnAnyThreads(inputs, dY: dY) { $0.rmsNorm($1[0], $1[1], epsilon: 1e-6) })
  }

  // MARK: - With a sum before it

  @Test(arguments: [DType.float32, .bfloat16])
  func normOfASumHasTheBitsOfItsTwoOperations(dtype: DType) {
    let inputs = sumInputs([70, 33], dtype)
    let dY = randomTensor([70, 33], dtype, seed: 5)
    let fused = differentiated(inputs, dY: dY) { operations, x in
      let (sum, normed) = operations.addRMSNorm(x[0], x[1], x[2], epsilon: 1e-6)
      return operations.geglu(sum, normed)
    }
    let separate = differentiated(inputs, dY: dY) { operations, x in
      let sum = operations.add(x[0], x[1])
      return operations.geglu(sum, operations.rmsNorm(sum, x[2], epsilon: 1e-6))
    }
    #expect(bits(fused.output) == bits(separate.output))
    #expect(fused.gradients.map(bits) == separate.gradients.map(bits))
  }

  /// Both outputs used, only one of them used, and the sum used again after the norm.
  @Test func gradientsOfTheNormOfASumMatchFiniteDifferences() {
    typealias Outputs = (sum: Tensor, normed: Tensor)
    let uses: [(String, (Operations, Outputs) -> Tensor)] = [
      ("both", { $0.geglu($1.sum, $1.normed) }), ("sum", { $1.sum }), ("normed", { $1.normed }),
      ("sum again", { $0.add($0.geglu($1.normed, $1.sum), $0.geglu($1.sum, $1.sum)) }),
    ]
    for (name, use) in uses {
      let errors = gradientErrors(of: sumInputs([3, 7], .float32)) { operations, x in
        use(operations, operations.addRMSNorm(x[0], x[1], x[2], epsilon: 1e-2))
      }
      // The weight has no gradient when only the sum is used, and the differences are exact zeros.
      for error in errors { #expect(error < differencesTolerance, "\(name)") }
    }
  }

  @Test func gradientOfTheSumIsRoundedBeforeTheNormsIsAdded() {
    let kernels = CPUKernels(threads: 2)
    let (x, weight) = (randomTensor([9, 40], .bfloat16, seed: 1), randomTensor([40], .bfloat16, seed: 2))
    let (dY, dSum) = (randomTensor([9, 40], .bfloat16, seed: 3), randomTensor([9, 40], .bfloat16, seed: 4))
    let (_, rstd) = kernels.rmsNormForward(x, weight, epsilon: 1e-6)
    let alone = kernels.rmsNormBackward(dY, x, weight, rstd: rstd, dSum: nil, dWeight: nil)
    let together = kernels.rmsNormBackward(dY, x, weight, rstd: rstd, dSum: dSum, dWeight: nil)
    #expect(bits(together) == bits(kernels.add(dSum, alone)))
  }

  /// With a constant sum, only the weight is differentiated.
  @Test func normOfAConstantSumStillGivesTheWeightsGradient() {
    let kernels = CPUKernels(threads: 1)
    let tape = Tape()
    let inputs = sumInputs([5, 8], .float32)
    let weight = tape.watch(inputs[2])
    let (sum, normed) = Operations(kernels, tape: tape)
      .addRMSNorm(inputs[0], inputs[1], weight, epsilon: 1e-6)
    tape.backward(from: normed, seed: randomTensor([5, 8], seed: 6), kernels)
    #expect(sum.node == nil)
    #expect(weight.node?.gradient?.floats.contains { $0 != 0 } == true)
  }

  private func sumInputs(_ shape: Shape, _ dtype: DType) -> [Tensor] {
    [
      randomTensor(shape, dtype, seed: 1, scale: 2), randomTensor(shape, dtype, seed: 2, scale: 2),
      randomTensor([shape[1]], dtype, seed: 3),
    ]
  }
}
