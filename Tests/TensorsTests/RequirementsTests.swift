import Glibc
import SimulatedGPUTesting
import Tensors
import Testing

/// The demands of operations on their arguments, in both conformers. A wrong argument stops the program.
@Suite struct RequirementsTests {
  @Test func aNormsWeightOfAnotherTypeThanItsRowsIsRefused() async {
    await #expect(processExitsWith: trap) {
      _ = CPUKernels(threads: 1).rmsNormForward(
        Tensor(zeros: [2, 4], .float32), Tensor(zeros: [4], .bfloat16), epsilon: 1e-6)
    }
  }

  @Test func aGradientOfTheSumOfAnotherShapeThanTheRowsIsRefused() async {
    await #expect(processExitsWith: trap) {
      let x = Tensor(zeros: [2, 4], .float32)
      _ = CPUKernels(threads: 1).rmsNormBackward(
        x, x, Tensor(zeros: [4], .float32), rstd: Tensor(zeros: [2], .float32),
        dSum: Tensor(zeros: [4, 2], .float32), dWeight: nil)
    }
  }

  @Test func rowsOfMoreDimensionsAreNotScattered() async throws {
    await #expect(processExitsWith: trap) {
      let gpu = try SimulatedKernels().kernels
      _ = gpu.scattered(gpu.zeros([1, 2, 4], .float32), rows: gpu.zeros([2], .int32), count: 3)
    }
  }

  @Test func aLogSumExpOfAnotherNumberOfHeadsIsRefused() async {
    await #expect(processExitsWith: trap) {
      let gpu = try SimulatedKernels().kernels
      let (q, k) = (gpu.zeros([3, 16], .float32), gpu.zeros([3, 8], .float32))
      _ = gpu.attentionBackward(
        q, q, k, k, o: q, logSumExp: gpu.zeros([3, 1], .float32),
        AttentionShape(headCount: 2, keyValueHeadCount: 1, headDim: 8, scale: 1),
        segments: [AttentionSegment(queryStart: 0, queryCount: 3, keyStart: 0, keyCount: 3)])
    }
  }

  @Test func momentsOfAnotherLengthThanTheParameterAreRefused() async {
    await #expect(processExitsWith: trap) {
      let gpu = try SimulatedKernels().kernels
      let step = AdamWStep(
        step: 1, learningRate: 1, beta1: 0, beta2: 0, epsilon: 1, weightDecay: 0, gradientScale: 1)
      let update = AdamWUpdate(
        parameter: gpu.zeros([4], .float32), gradient: gpu.zeros([4], .float32), weights: nil,
        rounding: .nearest, step: step)
      let moment = gpu.zeros([3], .float32)
      _ = gpu.adamW([(update, .float32(moment1: moment, moment2: moment))], clip: nil)
    }
  }
}

/// The signal of a failed precondition. Another end, such as that of a thrown error, does not count.
private var trap: ExitTest.Condition {
  #if arch(arm64)
    .signal(SIGTRAP)
  #else
    .signal(SIGILL)
  #endif
}
