import Testing
import FineTuning

/// Numbers are checked in the type that they are computed with.
struct ConfigurationNumberTests {
  private static let least = "a number of at least 1.1754944e-38, the smallest 32-bit float of full precision"
  private static let most = "a number of at most 3.4028235e+38, the largest 32-bit float"
  private static let share = "a number from 0 to below 1, also as a 32-bit float"

  @Test(arguments: [
    ("lora.dropout", "0.99999999", share), ("lora.dropout", "1e-50", "0 or \(least)"),
    ("lora.alpha", "1e39", most), ("lora.alpha", "1e-50", least), ("lora.alpha", "1e-40", least),
    ("optimizer.epsilon", "1e-50", least), ("optimizer.epsilon", "1e300", most),
    ("optimizer.weight_decay", "1e39", most), ("optimizer.weight_decay", "1e-50", "0 or \(least)"),
    ("train.learning_rate", "1e-46", least), ("train.learning_rate", "1e39", most),
    ("train.min_learning_rate", "1e-50", "0 or \(least)"), ("train.max_gradient_norm", "1e-50", least),
  ])
  func numberThatIsAnotherAsAFloatIsRejected(key: String, value: String, expected: String) {
    #expect(
      configurationFaults("method: lora\n", "\(key)=\(value)")
        == ["command line: \(key): expected \(expected), got \(value)"])
  }

  @Test func betaThatIsOneAsAFloatIsRejected() {
    #expect(
      configurationFaults("optimizer: {betas: [0.9, 0.99999999]}")
        == ["configs/a.yaml:1:26: optimizer.betas[1]: expected \(Self.share), got 0.99999999"])
  }

  @Test(arguments: ["0", "0.9999999", "1.2e-38"])
  func shareThatIsOneAsAFloatTooIsTaken(value: String) throws {
    #expect(try configuration("method: lora", "lora.dropout=\(value)").lora.dropout == Double(value))
  }

  @Test func scaleThatVanishesAsAFloatIsRejected() {
    #expect(
      configurationFaults("lora:\n  rank: 65536\n  alpha: 2e-38\n") == [
        "configs/a.yaml:3:10: lora.alpha: alpha / rank is too small for a 32-bit float, got 2e-38 / 65536; "
          + "expected at least 1.1754944e-38"
      ])
    #expect(configurationFaults("method: full\nlora: {rank: 65536, alpha: 2e-38}\n") == [])
  }

  @Test(arguments: ["3.0", "3.", "3e0", "0.3e1", "30e-1", "+3"])
  func wholeNumberMayBeWrittenAsAFraction(value: String) throws {
    let found = try configuration(
      "lora: {rank: \(value)}\nrun: {seed: \(value)}\ntrain: {max_steps: \(value), epochs: \(value)}\n")
    #expect(found.lora.rank == 3 && found.run.seed == 3)
    #expect(found.train.maxSteps == 3 && found.train.epochs == 3)
    #expect(found.resolvedYAML().contains("\n  epochs: 3\n"))
  }

  @Test func partOfAnEpochIsKept() throws {
    let found = try configuration("train: {epochs: 0.5}")
    #expect(found.train.epochs == 0.5 && found.resolvedYAML().contains("\n  epochs: 0.5\n"))
  }

  @Test func largestSeedIsKept() throws {
    let found = try configuration("run: {seed: 18446744073709551615}")
    #expect(found.run.seed == .max && found.resolvedYAML().contains("\n  seed: 18446744073709551615\n"))
  }

  @Test func noLargestGradientNormIsNull() throws {
    let found = try configuration("train: {max_gradient_norm: null}")
    #expect(found.train.maxGradientNorm == nil)
    #expect(found.resolvedYAML().contains("\n  max_gradient_norm: null\n"))
  }

  @Test func dropoutNextToOneEndsTheCommand() throws {
    #expect(
      try Workspace().run("train", "run.yaml", "method=lora", "lora.dropout=0.99999999")
        == .refusal(78, "command line: lora.dropout: expected \(Self.share), got 0.99999999"))
  }
}
