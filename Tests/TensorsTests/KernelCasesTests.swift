import KernelCases
import Tensors
import Testing

/// The list of kernel cases on the CPU, at small and odd sizes, against their truth in float64.
struct KernelCasesTests {
  private static let sizes = Array(CaseSizes.small.indices)

  private func cases(_ size: Int) -> [KernelCase] { KernelCases(CaseSizes.small[size]).all }

  @Test(arguments: sizes, [1, 3]) func everyCaseGivesTheTruth(size: Int, threads: Int) throws {
    let kernels = CPUKernels(threads: threads)
    for example in cases(size) {
      for (index, error) in try example.errorsFromTruth(kernels).enumerated() {
        #expect(error <= 1, "result \(index): \(error), \(example.title), size \(size)")
      }
    }
  }

  /// Every result of floats is made one percent too large; codes and whole numbers stay.
  @Test(arguments: sizes) func aResultThatIsOnePercentOffIsNoticed(size: Int) throws {
    func isFloat(_ tensor: Tensor) -> Bool { tensor.dtype == .float32 || tensor.dtype == .bfloat16 }
    var seen = 0
    for var example in cases(size) where example.hasTruth {
      let inputs = example.drawnInputs()
      let results = try example.results(CPUKernels(threads: 1), inputs)
      // Zeros and whole numbers have no percent.
      guard results.contains(where: { isFloat($0) && $0.floats.contains { $0 != 0 } }) else { continue }
      let prepare = example.prepare
      example.prepare = { kernels, inputs in
        let run = prepare(kernels, inputs)
        return { run().map { isFloat($0) ? kernels.converted($0, to: $0.dtype, scale: 1.01) : $0 } }
      }
      let errors = try example.errorsFromTruth(CPUKernels(threads: 1))
      #expect(errors.contains { $0 > 1 }, "\(example.title), size \(size)")
      seen += 1
    }
    #expect(seen > 80)
  }

  @Test func theListHasAllCases() {
    #expect(cases(0).count == 101)
    #expect(KernelCases(CaseSizes.small[0]).timed.count == 41)
  }

  @Test func inputsAreEqualAtEachDraw() {
    for example in cases(1) {
      for (first, second) in zip(example.drawnInputs(), example.drawnInputs()) {
        #expect(bits(first) == bits(second), "\(example.title)")
      }
    }
  }
}
