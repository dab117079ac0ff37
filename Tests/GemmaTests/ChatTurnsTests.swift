import Files
import Gemma
import Testing

@Suite struct ChatTurnsTests {
  private func chat(_ family: ModelConfiguration.Family) throws -> (ChatTurns, Tokenizer) {
    let tokenizer = try TokenizerFixture.tokenizer()
    return (try ChatTurns(family: family, tokenizer: tokenizer), tokenizer)
  }

  @Test func aPromptIsBosOnceThenTheUsersTurnAndTheOpeningOfTheModels() throws {
    let (chat, tokenizer) = try chat(.gemma)
    let text = "<start_of_turn>user\nHow many apples?<end_of_turn>\n<start_of_turn>model\n"
    let ids = chat.prompt("\t How many apples?\n\n")
    #expect(ids == [tokenizer.bosId] + tokenizer.encode(text))
    #expect(ids.count { $0 == tokenizer.bosId } == 1)
    #expect(ids[1] == tokenizer.startOfTurnId && chat.endOfTurnId == tokenizer.endOfTurnId)
  }

  @Test func contentIsTrimmedAsPythonStrips() {
    let text = ChatTurns.text(user: "\u{1C}\u{3000}\u{A0}a b\u{85}\u{1F}")
    #expect(text == "<start_of_turn>user\na b<end_of_turn>\n<start_of_turn>model\n")
    #expect(ChatTurns.text(user: " \n") == "<start_of_turn>user\n<end_of_turn>\n<start_of_turn>model\n")
  }

  @Test(arguments: ModelConfiguration.Family.allCases)
  func turnsAlternateAndTheAssistantIsWrittenModel(_ family: ModelConfiguration.Family) throws {
    let turns = [ChatTurn(.user, "2+2? "), ChatTurn(.assistant, " 4\n"), ChatTurn(.user, "3+3?")]
    #expect(
      try ChatTurns.text(of: turns, family: family)
        == "<start_of_turn>user\n2+2?<end_of_turn>\n<start_of_turn>model\n4<end_of_turn>\n"
        + "<start_of_turn>user\n3+3?<end_of_turn>\n<start_of_turn>model\n")
  }

  @Test func gemma3PutsTheSystemTextUntrimmedBeforeTheFirstUserTurn() throws {
    let turns = [ChatTurn(.system, " Be brief. "), ChatTurn(.user, " 2+2? ")]
    let text = "<start_of_turn>user\n Be brief. \n\n2+2?<end_of_turn>\n<start_of_turn>model\n"
    #expect(try ChatTurns.text(of: turns, family: .gemma3) == text)
    let (chat, tokenizer) = try chat(.gemma3)
    #expect(try chat.prompt(turns) == [tokenizer.bosId] + tokenizer.encode(text))
  }

  @Test(arguments: [ModelConfiguration.Family.gemma, .gemma2])
  func gemma1And2HaveNoSystemTurn(_ family: ModelConfiguration.Family) {
    let fault = Fault(
      .badData, "turn 1: a system turn, which \(family.rawValue) does not have; expected user",
      hint: "put its text at the start of the user's turn")
    #expect(throws: fault) {
      try ChatTurns.text(of: [ChatTurn(.system, "Be brief."), ChatTurn(.user, "2+2?")], family: family)
    }
  }

  @Test func turnsOutOfOrderAreNamed() {
    #expect(throws: Fault(.badData, "turn 1: got assistant; expected user")) {
      try ChatTurns.text(of: [ChatTurn(.assistant, "4")], family: .gemma)
    }
    #expect(throws: Fault(.badData, "turn 3: got user; expected assistant")) {
      try ChatTurns.text(
        of: [ChatTurn(.system, "s"), ChatTurn(.user, "a"), ChatTurn(.user, "b")], family: .gemma3)
    }
    #expect(throws: Fault(.badData, "turn 2: got system; expected assistant")) {
      try ChatTurns.text(of: [ChatTurn(.user, "a"), ChatTurn(.system, "s")], family: .gemma3)
    }
    #expect(throws: Fault(.badData, "turn 3: missing; expected user")) {
      try ChatTurns.text(of: [ChatTurn(.user, "a"), ChatTurn(.assistant, "b")], family: .gemma)
    }
    #expect(throws: Fault(.badData, "turn 1: missing; expected user")) {
      try ChatTurns.text(of: [], family: .gemma)
    }
  }
}
