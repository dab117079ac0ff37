import Files
import Testing
import FineTuning

/// 20 optimizer steps of the Hugging Face Trainer on the same sequences in the same order, float32.
@Suite struct TrainerParityTests {
  static let runs = families.flatMap { family in
    [RunConfiguration.Method.full, .lora].map { (family, $0) }
  }

  @Test(arguments: runs)
  func lossOfEveryStepMatchesTheTrainer(_ family: String, _ method: RunConfiguration.Method) throws {
    let reference = try TrainingReference(family, method)
    let steps = try trained(family, reference.examples, reference.configuration).steps
    #expect(steps.count == 20)
    // The bar of the design. A change of 1e-7 in the weights moves a loss by 1e-6 at most (rounding_spread),
    // the mildest broken rule by 1.5e-3 (sensitivities).
    #expect(largestRelativeDifference(steps.map(\.loss), reference.losses) < 1e-4)
  }

  @Test(arguments: runs)
  func gradientNormOfEveryStepMatchesTheTrainer(_ family: String, _ method: RunConfiguration.Method) throws {
    let reference = try TrainingReference(family, method)
    let steps = try trained(family, reference.examples, reference.configuration).steps
    // Norms before clipping, of 1 to 10. Rounding alone moves them by up to 3e-4: by 2.97e-4 with OpenBLAS's
    // kernels without fused multiply-add, by 1.2e-4 when PyTorch itself runs on another processor, by 8e-5
    // when the weights change by 1e-7 (norm_rounding_spread). The mildest broken rule moves one by 5.1e-3
    // (norm_sensitivities).
    #expect(largestRelativeDifference(steps.map(\.gradientNorm), reference.gradientNorms) < 1e-3)
  }

  @Test(arguments: runs)
  func learningRateOfEveryStepMatchesTheTrainer(_ family: String, _ method: RunConfiguration.Method) throws {
    let reference = try TrainingReference(family, method)
    let steps = try trained(family, reference.examples, reference.configuration).steps
    // Both programs use the same formula in float64.
    #expect(largestRelativeDifference(steps.map(\.learningRate), reference.learningRates) < 1e-12)
  }

  @Test func lastStepOfAnEpochTakesWhatIsLeft() throws {
    let reference = try TrainingReference("gemma", .full)
    let steps = try trained("gemma", reference.examples, reference.configuration).steps
    let samples: [Int] = steps.prefix(5).map(\.samples)
    #expect(samples == [4, 4, 4, 1, 4])
    let epochs: [Double] = [4, 8, 12, 13, 17].map { $0 / 13 }
    #expect(largestRelativeDifference(steps.prefix(5).map(\.epoch), epochs) < 1e-15)
  }
}
