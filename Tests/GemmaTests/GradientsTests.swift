import Gemma
import Tensors
import Testing

@Suite struct GradientsTests {
  private let kernels = CPUKernels(threads: 1)
  private let limit = Gradients.minimumBFloat16Count
  private var shapes: [(name: String, shape: Shape)] {
    [
      (WeightNames.embedding, [limit, 2]), (WeightNames.linear(.up, layer: 0), [limit / 64, 64]),
      (WeightNames.linear(.key, layer: 0), [limit / 64 - 1, 64]),
      (WeightNames.norm(.input, layer: 0), [limit]),
    ]
  }

  private func gradients(_ dtype: DType, passes: Int) -> Gradients {
    Gradients(shapes.map { ($0.name, Tensor(zeros: $0.shape, dtype)) }, passes: passes, kernels)
  }

  @Test func largeLinearMapsOfBFloat16HaveBFloat16GradientsInOnePass() {
    #expect(
      gradients(.bfloat16, passes: 1).tensors.map(\.dtype) == [.float32, .bfloat16, .float32, .float32])
  }

  @Test func gradientsOfFloat32WeightsOrOfSeveralPassesAreFloat32() {
    #expect(gradients(.float32, passes: 1).tensors.allSatisfy { $0.dtype == .float32 })
    #expect(gradients(.bfloat16, passes: 2).tensors.allSatisfy { $0.dtype == .float32 })
  }

  @Test(arguments: [DType.float32, .bfloat16], [1, 2]) func bytesAreThoseOfTheTensors(
    dtype: DType, passes: Int
  ) {
    #expect(
      Gradients.byteCount(shapes, dtype, passes: passes)
        == gradients(dtype, passes: passes).tensors.reduce(0) { $0 + $1.byteCount })
  }

  @Test func stepBeginsWithZeroInWhatIsAddedToAlone() {
    let gradients = gradients(.bfloat16, passes: 1)
    #expect(gradients.tensors.allSatisfy { $0.floats.allSatisfy { $0 == 0 } })
    for tensor in gradients.tensors { tensor.bytes.storeBytes(of: 0x3F80, as: UInt16.self) }
    gradients.begin(kernels)
    #expect(gradients.tensors.map { $0.floats[0] != 0 } == [false, true, true, false])
  }
}
