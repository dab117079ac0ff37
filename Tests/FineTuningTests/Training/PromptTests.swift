import Files
import GSM8K
import Gemma
import Testing
import FineTuning

/// Prompts with the workspace's tokenizer and a model family.
enum TinyPrompt {
  static func prompt(_ wording: PromptWording, family: String = "gemma3") throws -> Prompt {
    try Prompt(
      wording, Tokenizer(contentsOf: "\(fixtures)/tokenizer/tokenizer.model"),
      ModelConfiguration(contentsOf: "\(fixtures)/\(family)/config.json"))
  }
}

@Suite struct PromptTests {
  private typealias Example = PromptWording.Example
  private let example = Example(question: "1 + 1?", answer: "#### 2")

  /// `<bos>`, `<eos>`, `<start_of_turn>` and `<end_of_turn>` in the tokenizer fixture.
  private let bos: Int32 = 2, eos: Int32 = 1, startOfTurn: Int32 = 8, endOfTurn: Int32 = 9

  @Test func plainPromptHasOneBOSAndNoTurns() throws {
    let prompt = try TinyPrompt.prompt(.init(template: .plain))
    let ids = prompt.encodedPrompt(for: "2 + 3?")
    // The ids that sentencepiece 0.2.3 gives for "Question: 2 + 3?\nAnswer:", after the BOS.
    #expect(ids == [2, 436, 441, 82, 450, 475, 450, 487, 450, 476, 489, 10, 498, 347, 345, 82])
    #expect(prompt.tokenizer.decode(Array(ids.dropFirst())) == "Question: 2 + 3?\nAnswer:")
  }

  @Test func plainTargetEndsWithEOS() throws {
    let prompt = try TinyPrompt.prompt(.init(template: .plain))
    let ids = prompt.encodedTarget(for: "#### 5")
    #expect(ids == prompt.tokenizer.encode(" #### 5") + [eos])
    #expect(!ids.contains(bos))
  }

  @Test(arguments: families)
  func chatPromptHasOneBOSAndTheTurnsAsIds(_ family: String) throws {
    let prompt = try TinyPrompt.prompt(.init(template: .chat), family: family)
    let ids = prompt.encodedPrompt(for: "2 + 3?")
    #expect(ids[0] == bos && ids.count { $0 == bos } == 1)
    #expect(ids.filter { $0 == startOfTurn || $0 == endOfTurn } == [startOfTurn, endOfTurn, startOfTurn])
    let opening = prompt.tokenizer.encode("user\nQuestion: 2 + 3?\nAnswer:")
    #expect(Array(ids[2..<(2 + opening.count)]) == opening)
  }

  @Test func chatTargetEndsTheTurn() throws {
    let prompt = try TinyPrompt.prompt(.init(template: .chat))
    #expect(prompt.encodedTarget(for: "#### 5") == prompt.tokenizer.encode("#### 5") + [endOfTurn])
  }

  @Test(arguments: PromptWording.Template.allCases)
  func answersStopAtEndOfTurnAndOfSequence(_ template: PromptWording.Template) throws {
    #expect(try TinyPrompt.prompt(.init(template: template)).stopIds == [eos, endOfTurn])
  }

  @Test func markInAQuestionStaysText() throws {
    // A question that says "<bos>" must not be taken for the mark.
    let prompt = try TinyPrompt.prompt(.init(template: .plain))
    #expect(prompt.encodedPrompt(for: "<bos>?").count { $0 == bos } == 1)
  }

  @Test func instructionAndExampleStandBeforeTheQuestion() throws {
    let prompt = try TinyPrompt.prompt(
      .init(template: .plain, instruction: "Solve.", examples: [example]))
    #expect(
      prompt.tokenizer.decode(Array(prompt.encodedPrompt(for: "2 + 3?").dropFirst()))
        == "Solve.\n\nQuestion: 1 + 1?\nAnswer: #### 2\n\nQuestion: 2 + 3?\nAnswer:")
  }

  @Test func hashTellsEveryPartApart() throws {
    let wordings: [PromptWording] = [
      .init(template: .plain), .init(template: .chat), .init(template: .plain, instruction: "Solve."),
      .init(template: .plain, instruction: "Solve!"), .init(template: .plain, examples: [example]),
      .init(template: .plain, examples: [example, example]),
      .init(template: .plain, examples: [Example(question: "1 + 2?", answer: "#### 2")]),
      .init(template: .plain, examples: [Example(question: "1 + 1?", answer: "#### 3")]),
    ]
    let hashes = try wordings.map { try TinyPrompt.prompt($0).hash }
    #expect(Set(hashes).count == wordings.count)
    #expect(hashes.allSatisfy { $0.utf8.count == 16 })
  }

  @Test func hashOfOnePromptIsFixed() throws {
    // FNV-1a of
    // {"wording":{"template":"plain","instruction":null,"examples":[]},"bos":2,"end":1,"stops":[1,9]}. With
    // another value eval would report another prompt for existing weights.
    #expect(try TinyPrompt.prompt(.init(template: .plain)).hash == "05c2afaad7314428")
  }

  @Test func trainingAndPlainEvaluationHaveTheSamePrompt() throws {
    let configuration = RunConfiguration(named: "a")
    #expect(PromptWording(training: configuration) == PromptWording(evaluation: configuration))
  }

  @Test func exampleIsShownOnlyWithAShot() {
    var configuration = RunConfiguration(named: "a")
    configuration.evaluation.example = .init(question: "1 + 1?", answer: "#### 2")
    #expect(PromptWording(evaluation: configuration).examples.isEmpty)
    configuration.evaluation.shots = 1
    #expect(PromptWording(evaluation: configuration).examples == [example])
  }
}
