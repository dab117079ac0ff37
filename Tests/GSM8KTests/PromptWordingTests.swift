import GSM8K
import Testing

private let example = PromptWording.Example(question: "1 + 1?", answer: "#### 2")

@Suite struct PromptWordingTests {
  @Test func zeroShotPlainPromptIsQuestionAndAnswer() {
    let wording = PromptWording(template: .plain)
    #expect(wording.prompt(for: "2 + 3?") == "Question: 2 + 3?\nAnswer:")
    #expect(wording.target(for: "#### 5") == " #### 5")
  }

  @Test func documentedExampleHolds() {
    let wording = PromptWording(template: .plain, instruction: "Solve.", examples: [example])
    #expect(
      wording.prompt(for: "2 + 3?") == """
        Solve.

        Question: 1 + 1?
        Answer: #### 2

        Question: 2 + 3?
        Answer:
        """)
  }

  @Test func absentPartsLeaveNoBlankLines() {
    #expect(
      PromptWording(template: .plain, instruction: "Solve.").prompt(for: "q")
        == "Solve.\n\nQuestion: q\nAnswer:")
    #expect(PromptWording(template: .plain, instruction: "").prompt(for: "q") == "Question: q\nAnswer:")
    #expect(
      PromptWording(template: .plain, examples: [example, example]).prompt(for: "q")
        == "Question: 1 + 1?\nAnswer: #### 2\n\nQuestion: 1 + 1?\nAnswer: #### 2\n\nQuestion: q\nAnswer:")
  }

  @Test func chatTurnHasThePlainTextAndATargetWithoutBlank() {
    let chat = PromptWording(template: .chat, instruction: "Solve.", examples: [example])
    let plain = PromptWording(template: .plain, instruction: "Solve.", examples: [example])
    #expect(chat.prompt(for: "q") == plain.prompt(for: "q"))
    #expect(chat.target(for: "#### 5") == "#### 5")
  }

  @Test func jsonHoldsAllThatTheWordingDependsOn() {
    let example = PromptWording.Example(question: "q", answer: "a")
    #expect(
      PromptWording(template: .chat, instruction: "S", examples: [example]).json.text()
        == #"{"template":"chat","instruction":"S","examples":[{"question":"q","answer":"a"}]}"#)
    #expect(
      PromptWording(template: .plain).json.text()
        == #"{"template":"plain","instruction":null,"examples":[]}"#)
  }
}
