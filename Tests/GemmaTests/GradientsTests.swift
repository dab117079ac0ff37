import Gemma
import Tensors
import Testing

@Suite struct GradientsTests {
  private let kernels = CPUKernels(threads: 1)
  private let limit = Gradients.minimumBFloat16Count
  private var shapes: [ParameterShape] {
    [
      ParameterShape("embedding", .embedding, [limit, 2]),
      ParameterShape("up", .matrix(.up), [limit / 64, 64]),
      ParameterShape("key", .matrix(.key), [limit / 64 - 1, 64]), ParameterShape("norm", .norm, [limit]),
    ]
  }

  private func gradients(_ dtype: DType, microBatches: Int) -> Gradients {
    Gradients(
      shapes.map { Parameter($0.name, $0.role, Tensor(zeros: $0.shape, dtype)) }, microBatches: microBatches,
      kernels)
  }

  @Test func largeLinearMapsOfBFloat16HaveBFloat16GradientsInOnePass() {
    #expect(
      gradients(.bfloat16, microBatches: 1).tensors.map(\.dtype) == [.float32, .bfloat16, .float32, .float32])
  }

  @Test func gradientsOfFloat32WeightsOrOfSeveralPassesAreFloat32() {
    #expect(gradients(.float32, microBatches: 1).tensors.allSatisfy { $0.dtype == .float32 })
    #expect(gradients(.bfloat16, microBatches: 2).tensors.allSatisfy { $0.dtype == .float32 })
  }

  @Test(arguments: [DType.float32, .bfloat16], [1, 2]) func bytesAreThoseOfTheTensors(
    dtype: DType, microBatches: Int
  ) {
    #expect(
      Gradients.byteCount(shapes, dtype, microBatches: microBatches)
        == gradients(dtype, microBatches: microBatches).tensors.reduce(0) { $0 + $1.byteCount })
  }

  @Test func stepBeginsWithZeroInWhatIsAddedToAlone() {
    let gradients = gradients(.bfloat16, microBatches: 1)
    #expect(gradients.tensors.allSatisfy { $0.floats.allSatisfy { $0 == 0 } })
    for tensor in gradients.tensors { tensor.bytes.storeBytes(of: 0x3F80, as: UInt16.self) }
    gradients.begin(kernels)
    #expect(gradients.tensors.map { $0.floats[0] != 0 } == [false, true, true, false])
  }
}
