import Files
import Gemma
import Testing

@Suite struct LearningRateScheduleTests {
  @Test func ratesEqualTransformers() throws {
    let path = fixtures + "/optimizer/schedule.json"
    let cases = try JSONValue(parsing: readFile(path), file: path).objectValue?["cases"]?.arrayValue ?? []
    #expect(cases.count == 3)
    for values in cases.compactMap(\.objectValue) {
      for shape in LearningRateSchedule.Shape.allCases {
        let schedule = LearningRateSchedule(
          shape: shape, learningRate: try number("learning_rate", values),
          // The straight line of transformers goes to 0.
          minLearningRate: shape == .linear ? 0 : try number("min_learning_rate", values),
          warmupRatio: try number("warmup_ratio", values), steps: try #require(values["steps"]?.intValue))
        #expect(schedule.warmupSteps == values["warmup_steps"]?.intValue)
        let rates = (1...schedule.steps).map(schedule.learningRate)
        let expected = values[shape.rawValue]?.arrayValue?.compactMap(\.doubleValue) ?? []
        #expect(rates.count == expected.count)
        // The two programs order a few float64 operations differently.
        for (rate, value) in zip(rates, expected) {
          #expect(abs(rate - value) <= 4e-16 * schedule.learningRate)
        }
      }
    }
  }

  private func number(_ key: String, _ values: JSONObject) throws -> Double {
    try #require(values[key]?.doubleValue)
  }

  @Test func linearEndsOneStepAboveItsFloor() {
    let schedule = LearningRateSchedule(
      shape: .linear, learningRate: 1, minLearningRate: 0.5, warmupRatio: 0.2, steps: 10)
    #expect(schedule.warmupSteps == 2)
    #expect((1...4).map(schedule.learningRate) == [0, 0.5, 1, 0.9375])
    #expect(schedule.learningRate(step: 10) == 0.5625)
  }

  @Test func warmupIsRoundedUp() {
    for (ratio, steps, warmup) in [(0.03, 468, 15), (0.0, 468, 0), (0.001, 5, 1), (1.0, 5, 5)] {
      let schedule = LearningRateSchedule(
        shape: .cosine, learningRate: 1, minLearningRate: 0, warmupRatio: ratio, steps: steps)
      #expect(schedule.warmupSteps == warmup)
    }
  }

  @Test func warmupAloneNeverReachesTheHighestRate() {
    let schedule = LearningRateSchedule(
      shape: .cosine, learningRate: 1, minLearningRate: 0, warmupRatio: 1, steps: 4)
    #expect((1...4).map(schedule.learningRate) == [0, 0.25, 0.5, 0.75])
  }

  @Test func rateZeroStaysZero() {
    let schedule = LearningRateSchedule(
      shape: .cosine, learningRate: 0, minLearningRate: 0, warmupRatio: 0, steps: 3)
    #expect((1...3).map(schedule.learningRate) == [0, 0, 0])
  }
}
