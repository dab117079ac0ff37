import Files
import Gemma
import Testing

@Suite struct ChatTurnsTests {
  @Test func aPromptIsBosOnceThenTheUsersTurnAndTheOpeningOfTheModels() throws {
    let tokenizer = try TokenizerFixture.tokenizer()
    let chat = try ChatTurns(tokenizer)
    let text = "<start_of_turn>user\nHow many apples?<end_of_turn>\n<start_of_turn>model\n"
    let ids = chat.prompt("\t How many apples?\n\n")
    #expect(ids == [tokenizer.bosId] + tokenizer.encode(text))
    #expect(ids.count { $0 == tokenizer.bosId } == 1)
    #expect(ids[1] == tokenizer.id(ofPiece: "<start_of_turn>") && chat.endOfTurnId == tokenizer.endOfTurnId)
  }

  @Test func contentIsTrimmedAsPythonStrips() {
    let text = ChatTurns.text(user: "\u{1C}\u{3000}\u{A0}a b\u{85}\u{1F}")
    #expect(text == "<start_of_turn>user\na b<end_of_turn>\n<start_of_turn>model\n")
    #expect(ChatTurns.text(user: " \n") == "<start_of_turn>user\n<end_of_turn>\n<start_of_turn>model\n")
  }
}
