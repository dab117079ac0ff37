import Testing
import FineTuning

struct ConfigurationRuleTests {
  @Test func minimumAboveTheLearningRateIsRejectedWhereItStands() {
    #expect(
      configurationFaults("train:\n  learning_rate: 1e-5\n  min_learning_rate: 1e-4\n") == [
        "configs/a.yaml:3:22: train.min_learning_rate: expected at most train.learning_rate (1e-05), "
          + "got 0.0001"
      ])
  }

  @Test func learningRateBelowTheDefaultMinimumIsRejectedWhereItStands() {
    #expect(
      configurationFaults("method: lora\n", "train.learning_rate=1e-7") == [
        "command line: train.learning_rate: expected at least train.min_learning_rate (1e-06), got 1e-07"
      ])
  }

  @Test func constantScheduleNeedsNoMinimum() throws {
    let found = try configuration("train: {schedule: constant, learning_rate: 1e-7}")
    #expect(found.train.learningRate == 1e-7)
  }

  @Test func oneShotWithoutExampleIsRejected() {
    #expect(
      configurationFaults("evaluation: {shots: 1}") == [
        "configs/a.yaml:1:21: evaluation.shots: 1 needs evaluation.example; expected its question and answer"
      ])
  }

  @Test func exampleWithoutAShotIsRejected() {
    #expect(
      configurationFaults("evaluation: {example: {question: a, answer: b}}") == [
        "configs/a.yaml:1:23: evaluation.example: has no effect with evaluation.shots: 0; "
          + "expected shots: 1 or no example"
      ])
  }

  @Test func adapterToGoOnFromWithoutLoRAIsRejected() {
    #expect(
      configurationFaults("method: full\nlora: {initialize_from: a}") == [
        "configs/a.yaml:2:25: lora.initialize_from: has no effect with method: full; expected method: lora"
      ])
  }

  @Test func sectionsOfAnotherMethodMayStandInFiles() throws {
    let found = try configuration("method: none\nlora: {rank: 4}\ntrain: {epochs: 3}\n")
    #expect(found.lora.rank == 4)
  }

  @Test(arguments: [
    (["method=full", "lora.rank=8"], "lora.rank: has no effect with method: full"),
    (["method=none", "train.epochs=2"], "train.epochs: has no effect with method: none"),
    (["method=none", "optimizer={epsilon: 1e-6}"], "optimizer.epsilon: has no effect with method: none"),
    (
      ["train.schedule=constant", "train.min_learning_rate=0"],
      "train.min_learning_rate: has no effect with train.schedule: constant"
    ),
    (
      ["model.precision=float32", "optimizer.low_precision_update=nearest"],
      "optimizer.low_precision_update: has no effect with model.precision: float32"
    ),
    (["device=cpu", "cuda.libraries=a"], "cuda.libraries: has no effect with device: cpu"),
    (["device=cuda", "threads=2"], "threads: has no effect with device: cuda"),
    (
      ["method=lora", "optimizer.low_precision_update=nearest"],
      "optimizer.low_precision_update: has no effect with method: lora"
    ),
  ])
  func overrideWithoutEffectIsRejected(overrides: [String], message: String) {
    #expect(configurationFaults(bytes: Array("data: {}".utf8), overrides) == ["command line: \(message)"])
  }
}
