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
        #expect(error ?? 0 <= 1, "result \(index): \(error ?? 0), \(example.title), size \(size)")
      }
    }
  }

  /// Every float32 result is made one percent too large, every bfloat16 one two, of which rounding may take a
  /// part: each whose truth is known must be wrong.
  @Test(arguments: sizes) func aResultThatIsAPercentOffIsNoticed(size: Int) throws {
    var seen = 0
    for example in cases(size) where example.hasTruth {
      var wrong = example
      wrong.prepare = { kernels, inputs in
        let run = example.prepare(kernels, inputs)
        return {
          run().map {
            isFloat($0) ? kernels.converted($0, to: $0.dtype, scale: $0.dtype == .float32 ? 1.01 : 1.02) : $0
          }
        }
      }
      let kernels = CPUKernels(threads: 1)
      let right = try example.results(kernels, example.drawnInputs())
      for (index, (right, error)) in zip(right, try wrong.errorsFromTruth(kernels)).enumerated() {
        // A percent of zero is zero.
        guard let error, isFloat(right), right.floats.contains(where: { $0 != 0 }) else { continue }
        #expect(error > 1, "result \(index): \(example.title), size \(size)")
        seen += 1
      }
    }
    #expect(seen > 150)
  }

  private func isFloat(_ tensor: Tensor) -> Bool { tensor.dtype == .float32 || tensor.dtype == .bfloat16 }

  /// A case that is lost must not go unseen. Those without a truth have 8-bit moments: their codes are
  /// compared between conformers, and with fixtures in AdamWKernelTests.
  @Test func theListHasAllCases() {
    let list = cases(0)
    #expect(list.count == 130)
    #expect(KernelCases(CaseSizes.small[0]).timed.count == 44)
    #expect(list.filter { !$0.hasTruth }.allSatisfy { $0.name.hasPrefix("AdamW, 8-bit moments") })
  }

  @Test func inputsAreEqualAtEachDraw() {
    for example in cases(1) {
      for (first, second) in zip(example.drawnInputs(), example.drawnInputs()) {
        #expect(bits(first) == bits(second), "\(example.title)")
      }
    }
  }
}
