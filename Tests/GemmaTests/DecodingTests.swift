import Gemma
import Tensors
import Testing

/// Answers do not depend on which prompts are decoded side by side, nor on how forward passes are cut.
///
/// Tokens are compared exactly. float32 sums of another order move logits by some 1e-6, and the two largest
/// logits of these models are always farther apart.
@Suite struct DecodingTests {
  /// 9 prompts of 1 to 29 tokens for the tiny models' vocabulary of 211. The sliding window is shorter.
  private let prompts: [[Int32]] = [5, 1, 17, 29, 2, 11, 8, 23, 3].enumerated().map { row, length in
    let key = RandomKey(seed: 11, stream: UInt64(row))
    return [2] + (1..<max(1, length)).map { Int32(3 + key.below(200, at: UInt64($0))) }
  }

  private func decoder(
    _ model: GemmaModel, _ limits: DecodingLimits = DecodingLimits(), new: Int = 12,
    stopIds: Set<Int32> = [], threads: Int = 2, isFinished: @escaping ([Int32]) -> Bool = { _ in false }
  ) -> GreedyDecoder {
    GreedyDecoder(
      model, CPUKernels(threads: threads), maxNewTokens: new, stopIds: stopIds, limits: limits,
      isFinished: isFinished)
  }

  private func oneByOne(_ decoder: GreedyDecoder, _ prompts: [[Int32]]) throws -> [Generation] {
    try prompts.flatMap { try decoder.generate([$0]) }
  }

  /// Ends answers after 1 to 9 tokens. The answer's tokens alone decide.
  private func endsUnevenly(_ tokens: [Int32]) -> Bool { (tokens.count + Int(tokens[0])) % 9 == 0 }

  @Test(arguments: families, [1, 2, 3, 4, 8])
  func questionsThatWaitForARowGetTheirOwnAnswers(family: String, rows: Int) throws {
    let model = try ModelFixture(family).model
    let decoder = decoder(model, DecodingLimits(rows: rows), isFinished: endsUnevenly)
    let expected = try oneByOne(decoder, prompts)
    #expect(Set(expected.map(\.tokens.count)).count > 3, "rows must end at different times")
    #expect(try decoder.generate(prompts) == expected)
  }

  @Test func rowsThatEndAtOnceAreAllRefilled() throws {
    let model = try ModelFixture("gemma3").model
    let decoder = decoder(model, DecodingLimits(rows: 3))
    let answers = try decoder.generate(prompts)
    #expect(answers.allSatisfy { $0.tokens.count == 12 && $0.stop == .length })
    #expect(try answers == oneByOne(decoder, prompts))
  }

  @Test func oneNewTokenEachIsTheFirstOfTheAnswer() throws {
    let model = try ModelFixture("gemma2").model
    let answers = try decoder(model, DecodingLimits(rows: 2), new: 1).generate(prompts)
    #expect(try answers.map(\.tokens) == oneByOne(decoder(model), prompts).map { [$0.tokens[0]] })
  }

  @Test(arguments: families, [1, 4, 7, 30])
  func promptsReadInPartsGetTheSameAnswers(family: String, tokensPerPass: Int) throws {
    let model = try ModelFixture(family).model
    let limits = DecodingLimits(rows: 4, tokensPerPass: tokensPerPass)
    let expected = try oneByOne(decoder(model, isFinished: endsUnevenly), prompts)
    #expect(try decoder(model, limits, isFinished: endsUnevenly).generate(prompts) == expected)
  }

  @Test(arguments: families, [1, 7, 40])
  func aSharedPrefixGivesTheSameAnswers(family: String, length: Int) throws {
    let model = try ModelFixture(family).model
    let key = RandomKey(seed: 12, stream: 0)
    let prefix = (0..<length).map { Int32(3 + key.below(200, at: UInt64($0))) }
    let prompts = prompts.map { [2] + prefix + $0.dropFirst() + [5] }
    for tokensPerPass in [5, 2048] {
      let sharing = DecodingLimits(rows: 3, tokensPerPass: tokensPerPass, shortestSharedPrefix: 1)
      let apart = DecodingLimits(rows: 3, tokensPerPass: tokensPerPass, shortestSharedPrefix: .max)
      let answers = try decoder(model, sharing, isFinished: endsUnevenly).generate(prompts)
      #expect(try answers == decoder(model, apart, isFinished: endsUnevenly).generate(prompts))
      #expect(try answers == oneByOne(decoder(model, isFinished: endsUnevenly), prompts))
    }
  }

  @Test func promptsThatBeginWithAnotherWholePromptShareAllButItsLastToken() throws {
    let model = try ModelFixture("gemma3").model
    let prompts = [prompts[3], prompts[3] + [7], prompts[3]]
    let sharing = decoder(model, DecodingLimits(shortestSharedPrefix: 1))
    #expect(try sharing.generate(prompts) == oneByOne(sharing, prompts))
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func anyNumberOfThreadsGivesTheSameAnswers(precision: DType) throws {
    let model = try ModelFixture("gemma2", precision: precision).model
    let limits = DecodingLimits(rows: 4, tokensPerPass: 16)
    let answers = try (1...3).map { try decoder(model, limits, new: 30, threads: $0).generate(prompts) }
    #expect(answers[1] == answers[0] && answers[2] == answers[0])
  }

  @Test func everyFinishedAnswerIsReported() throws {
    let model = try ModelFixture("gemma").model
    var reports: [Int] = []
    let decoder = decoder(model, DecodingLimits(rows: 4), isFinished: endsUnevenly)
    _ = try decoder.generate(prompts) { reports.append($0) }
    #expect(reports == Array(1...9))
  }

  @Test func anAnswerThatEndsWithItsFirstTokenIsEmpty() throws {
    let model = try ModelFixture("gemma").model
    let first = try #require(try decoder(model).generate([prompts[0]])[0].tokens.first)
    let stopping = decoder(model, DecodingLimits(rows: 2), stopIds: [first])
    let answers = try stopping.generate([prompts[0], prompts[2], prompts[0], prompts[0]])
    let empty = Generation(stop: .token(first))
    #expect([answers[0], answers[2], answers[3]] == [empty, empty, empty])
    #expect(try answers[1] == stopping.generate([prompts[2]])[0])
  }

  @Test func noPromptsAndNoNewTokensAreNoWork() throws {
    let model = try ModelFixture("gemma").model
    #expect(try decoder(model).generate([]) == [])
    #expect(try decoder(model, new: 0).generate(prompts) == prompts.map { _ in Generation() })
  }
}
