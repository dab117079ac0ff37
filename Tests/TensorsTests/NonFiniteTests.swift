import Tensors
import Testing

@Suite struct NonFiniteTests {
  @Test(arguments: [0, 1, 1023, 1024, 2999]) func firstNaNOrInfinityIsFound(index: Int) {
    for value in [Float.nan, -.nan, .infinity, -.infinity, .signalingNaN] {
      let tensor = Tensor([Float](repeating: .greatestFiniteMagnitude, count: 3000), [3000])
      tensor.float32[index] = value
      tensor.float32[2999] = .nan
      #expect(tensor.firstNonFinite() == index)
      let half = Tensor(zeros: [3, 1000], .bfloat16)
      half.bfloat16[index] = value.isNaN ? 0x7F81 : roundedToBFloat16(value)
      half.bfloat16[2999] = 0xFF80
      #expect(half.firstNonFinite() == index)
    }
  }

  @Test func finiteTensorsHaveNone() {
    #expect(
      Tensor([0, -0.0, .leastNonzeroMagnitude, -.greatestFiniteMagnitude], [4]).firstNonFinite() == nil)
    #expect(Tensor([], [0]).firstNonFinite() == nil)
    #expect(Tensor([Int32.max, -1]).firstNonFinite() == nil)
  }
}
