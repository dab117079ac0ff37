import Tensors
import Testing

struct DropoutTests {
  private let key = RandomKey(seed: 9, stream: 3)

  @Test(arguments: [DType.float32, .bfloat16])
  func theKeyAloneDecidesWhatIsDropped(dtype: DType) {
    let x = randomTensor([40, 1031], dtype, seed: 1)
    let y = Operations(CPUKernels(threads: 2)).dropout(x, probability: 0.25, key: key)
    let kept: Float = 1 / (1 - 0.25)
    let expected = x.floats.enumerated().map { i, value in
      key.uniform(at: UInt64(i)) < 0.25 ? 0 : value * kept
    }
    #expect(y.floats == (dtype == .float32 ? expected : expected.map { widened(roundedToBFloat16($0)) }))
  }

  /// 60,000 draws: one standard deviation of the share is 0.0012.
  @Test func theDroppedShareIsTheProbability() {
    let ones = Tensor(Array(repeating: 1, count: 60000), [60000])
    let y = Operations(CPUKernels(threads: 1)).dropout(ones, probability: 0.1, key: key).floats
    #expect(abs(Double(y.count { $0 == 0 }) / 60000 - 0.1) < 0.005)
  }

  @Test func dropoutBackwardMatchesFiniteDifferences() {
    let errors = gradientErrors(of: [randomTensor([4, 7], seed: 2)]) {
      $0.dropout($1[0], probability: 0.4, key: key)
    }
    #expect(errors[0] < differencesTolerance)
  }

  @Test func noProbabilityIsNoOperation() {
    let x = randomTensor([3], seed: 1)
    let y = Operations(CPUKernels(threads: 1)).dropout(x, probability: 0, key: key)
    #expect(y.storage === x.storage)
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func dropoutHasTheSameBitsOnAnyNumberOfThreads(dtype: DType) {
    let x = randomTensor([331, 307], dtype, seed: 1)
    #expect(isEqualOnAnyThreads([x], dY: x) { $0.dropout($1[0], probability: 0.1, key: key) })
  }
}
