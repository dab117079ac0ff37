import Tensors
import Testing

struct EmbeddingTests {
  @Test func embeddingEqualsTorch() throws {
    let fixture = try OperationFixture("embedding")
    let ids = try fixture.tensor("ids")
    let result = try differentiated([fixture.tensor("weight")], dY: fixture.tensor("dY")) {
      $0.embedding(ids, $1[0], scale: Float(18).squareRoot())
    }
    #expect(try largestError(result.output, fixture.tensor("y")) < float32Tolerance)
    #expect(try largestError(result.gradients[0], fixture.tensor("dWeight")) < float32Tolerance)
  }

  @Test func embeddingBackwardMatchesFiniteDifferences() {
    let ids = Tensor([2, 0, 2, 1, 2])
    let errors = gradientErrors(of: [randomTensor([4, 71], seed: 3)]) { $0.embedding(ids, $1[0], scale: 2.5) }
    #expect(errors[0] < differencesTolerance)
  }

  @Test func bfloat16RowsAreScaledAndRoundedOnce() {
    let table = randomTensor([4, 131], .bfloat16, seed: 4)
    let ids = (0..<100).map { Int32($0 % 4) }
    let output = Operations(CPUKernels(threads: 1)).embedding(Tensor(ids), table, scale: 25.25)
    let expected = ids.flatMap { id in
      table.rows(Int(id)..<Int(id) + 1).floats.map { widened(roundedToBFloat16($0 * 25.25)) }
    }
    #expect(output.dtype == .bfloat16)
    #expect(output.floats == expected)
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func embeddingHasTheSameBitsOnAnyNumberOfThreads(dtype: DType) {
    let ids = Tensor((0..<400).map { Int32($0 * $0 % 11) })
    let dY = randomTensor([400, 131], dtype, seed: 5)
    #expect(
      isEqualOnAnyThreads([randomTensor([11, 131], dtype, seed: 6)], dY: dY) {
        $0.embedding(ids, $1[0], scale: 3)
      })
  }

  /// A parameter's gradient is float32 whatever the table's dtype, so small shares of many tokens are not
  /// lost.
  @Test func aParametersGradientIsSummedInFloat32() {
    let kernels = CPUKernels(threads: 1)
    let gradient = Tensor(zeros: [2, 67], .float32)
    let tape = Tape()
    let table = tape.watch(Tensor(zeros: [2, 67], .bfloat16), addingTo: gradient)
    let ids = Tensor(Array(repeating: Int32(1), count: 1001))
    let shares = (0..<1001).flatMap { Array(repeating: Float($0 == 0 ? 1 : 0x1p-9), count: 67) }
    let dY = bfloat16(Tensor(shares, [1001, 67]))
    let output = Operations(kernels, tape: tape).embedding(ids, table)
    tape.backward(from: output, seed: dY, kernels)
    let sum: Float = 1 + 1000 * 0x1p-9
    #expect(gradient.floats == Array(repeating: 0, count: 67) + Array(repeating: sum, count: 67))
  }

  @Test func aFrozenTableRecordsNothing() {
    let output = Operations(CPUKernels(threads: 1), tape: Tape())
      .embedding(Tensor([0]), Tensor(zeros: [1, 3], .float32))
    #expect(output.node == nil)
  }
}
