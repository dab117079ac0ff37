import Files
import GSM8K
import Gemma
import Testing
import FineTuning

@Suite struct TrainingDataTests {
  private let prompt: Prompt
  private let problems = [
    Problem(id: 0, question: "1 + 1?", answer: "#### 2"),
    Problem(id: 1, question: "1 + 1 + 1 + 1 + 1?", answer: "#### 5"),
  ]

  init() throws { prompt = try TinyPrompt.prompt(.init(template: .plain)) }

  private func data(
    maximum: Int = 100, positions: Int = 1000, _ change: (inout RunConfiguration) -> Void = { _ in }
  ) throws -> TrainingData {
    var configuration = RunConfiguration(named: "a")
    configuration.train.maxLength = maximum
    change(&configuration)
    return try TrainingData(problems, prompt, configuration, file: "d/train.jsonl", positions: positions)
  }

  /// Token counts of the two examples.
  private var lengths: [Int] {
    problems.map { prompt.encodedPrompt(for: $0.question).count + prompt.encodedTarget(for: $0.answer).count }
  }

  @Test func exampleIsPromptThenAnswerAndEnd() throws {
    let example = try data().examples[0]
    let question = prompt.encodedPrompt(for: "1 + 1?")
    let answer = prompt.tokenizer.encode(" #### 2")
    #expect(example.tokens == question + answer + [prompt.tokenizer.eosId])
    #expect(example.promptLength == question.count)
    #expect(example.targetCount == answer.count + 1)
  }

  @Test func lossOnAllMakesAllButTheFirstTokenTargets() throws {
    let data = try data { $0.prompt.lossOn = .all }
    #expect(data.examples.map(\.promptLength) == [1, 1])
    #expect(data.examples.map(\.targetCount) == lengths.map { $0 - 1 })
  }

  @Test func countsAreOfAllExamples() throws {
    let data = try data()
    #expect(data.tokenCount == lengths[0] + lengths[1])
    #expect(data.longest == lengths[1])
    #expect(data.targetCount == data.examples[0].targetCount + data.examples[1].targetCount)
    #expect(data.droppedCount == 0 && data.truncatedCount == 0)
  }

  @Test func exampleOfExactlyTheLimitStays() throws {
    #expect(try data(maximum: lengths[1]).examples.count == 2)
  }

  @Test func overlongExampleIsAnErrorWithItsLine() {
    let limit = lengths[1] - 1
    #expect(
      faultMessages { _ = try data(maximum: limit) } == [
        "d/train.jsonl:2: the example has \(limit + 1) tokens; expected at most train.max_length = \(limit)"
      ])
  }

  @Test func modelsPositionsBoundTheLengthToo() throws {
    let limit = lengths[1] - 1
    #expect(
      faultMessages { _ = try data(positions: limit) } == [
        "d/train.jsonl:2: the example has \(limit + 1) tokens; expected at most max_position_embeddings = \(limit)"
      ])
    #expect(try data(positions: limit) { $0.data.overlong = .drop }.droppedCount == 1)
    let cut = try data(positions: limit) { $0.data.overlong = .truncate }
    #expect(cut.truncatedCount == 1 && cut.longest == limit)
    let prompt = try data().examples[1].promptLength
    #expect(
      faultMessages { _ = try data(positions: prompt) { $0.data.overlong = .truncate } } == [
        "d/train.jsonl:2: the example has no target tokens within max_position_embeddings = \(prompt)"
      ])
  }

  @Test func overlongExampleIsDropped() throws {
    let data = try data(maximum: lengths[1] - 1) { $0.data.overlong = .drop }
    #expect(data.examples.map(\.tokens.count) == [lengths[0]])
    #expect(data.droppedCount == 1 && data.truncatedCount == 0)
  }

  @Test func overlongExampleIsCutAtItsEnd() throws {
    let whole = try data().examples[1]
    let data = try data(maximum: lengths[1] - 2) { $0.data.overlong = .truncate }
    #expect(data.examples[1].tokens == Array(whole.tokens.dropLast(2)))
    #expect(data.examples[1].targetCount == whole.targetCount - 2)
    #expect(data.droppedCount == 0 && data.truncatedCount == 1)
  }

  @Test func exampleCutDownToItsPromptIsAnError() throws {
    let limit = try data().examples[1].promptLength
    #expect(
      faultMessages { _ = try data(maximum: limit) { $0.data.overlong = .truncate } } == [
        "d/train.jsonl:2: the example has no target tokens within train.max_length = \(limit)"
      ])
  }

  @Test func nothingLeftIsAnError() {
    #expect(
      faultMessages { _ = try data(maximum: 2) { $0.data.overlong = .drop } } == [
        "d/train.jsonl: no example is left to train on; all 2 were dropped"
      ])
  }
}
