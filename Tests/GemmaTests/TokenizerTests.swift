import Files
import Foundation
import Gemma
import Testing

/// Tests/Fixtures/tokenizer, written by scripts/reference/tokenizer.py.
enum TokenizerFixture {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/tokenizer").path

  static func tokenizer() throws -> Tokenizer { try Tokenizer(contentsOf: folder + "/tokenizer.model") }

  /// One line of `strings.jsonl`: what sentencepiece makes of a text.
  struct Line {
    let text: String
    let ids: [Int32]
    let decoded: String
  }

  static func lines(in folder: String) throws -> [Line] {
    let file = folder + "/strings.jsonl"
    return try Files.lines(of: readFile(file)).map { number, bytes in
      let object = try #require(JSONValue(parsing: Array(bytes), file: file, line: number).objectValue)
      let ids = try #require(object["ids"]?.arrayValue).map { Int32(try #require($0.intValue)) }
      return Line(
        text: try #require(object["text"]?.stringValue), ids: ids,
        decoded: try #require(object["decoded"]?.stringValue))
    }
  }
}

@Suite struct TokenizerTests {
  let tokenizer: Tokenizer

  init() throws { tokenizer = try TokenizerFixture.tokenizer() }

  @Test func chosenStringsEncodeAsSentencePieceDoes() throws {
    let lines = try TokenizerFixture.lines(in: TokenizerFixture.folder)
    #expect(lines.count == 193)
    for line in lines {
      #expect(tokenizer.encode(line.text) == line.ids, "\(quoted(line.text))")
    }
  }

  @Test func noTextHasFewerIdsThanItsLengthTells() throws {
    let lines = try TokenizerFixture.lines(in: TokenizerFixture.folder)
    #expect(lines.count == 193)
    for line in lines {
      #expect(tokenizer.leastCount(of: line.text) <= line.ids.count, "\(quoted(line.text))")
    }
    #expect(tokenizer.leastCount(of: "") == 0)
    // The longest piece of the file is one id by itself, so no larger bound would hold.
    let longest = try #require(
      (0..<tokenizer.vocabularySize).map { tokenizer.decode([Int32($0)]) }.max {
        $0.utf8.count < $1.utf8.count
      })
    #expect(tokenizer.leastCount(of: longest) == 1)
    #expect(tokenizer.leastCount(of: String(repeating: "x", count: 1 << 20)) > 1 << 10)
  }

  @Test func chosenStringsDecodeAsSentencePieceDoes() throws {
    let lines = try TokenizerFixture.lines(in: TokenizerFixture.folder)
    #expect(lines.count == 193)
    for line in lines {
      #expect(Array(tokenizer.decode(line.ids).utf8) == Array(line.decoded.utf8), "\(quoted(line.text))")
    }
  }

  @Test func specialIdsAreThoseOfTheFile() {
    #expect(tokenizer.padId == 0 && tokenizer.eosId == 1 && tokenizer.bosId == 2 && tokenizer.unknownId == 3)
    #expect(tokenizer.id(ofPiece: "<start_of_turn>") == 8 && tokenizer.endOfTurnId == 9)
    #expect(tokenizer.vocabularySize == 512)
  }

  @Test func piecesAreFoundByTheirText() {
    #expect(tokenizer.id(ofPiece: "▁apples") == tokenizer.encode(" apples").first)
    #expect(tokenizer.id(ofPiece: "<0x41>") == Int32(24 + 0x41))
    #expect(tokenizer.id(ofPiece: " apples") == nil)
    #expect(tokenizer.id(ofPiece: "") == nil)
  }

  @Test func controlPiecesInTextStayCharacters() {
    let ids = tokenizer.encode("<bos><eos><pad>")
    #expect(
      !ids.contains(tokenizer.bosId) && !ids.contains(tokenizer.eosId) && !ids.contains(tokenizer.padId))
    #expect(tokenizer.decode(ids) == "<bos><eos><pad>")
  }

  @Test func controlPiecesAreDroppedInDecoding() {
    #expect(tokenizer.decode([2] + tokenizer.encode("3 apples") + [1, 0]) == "3 apples")
  }

  @Test func everyByteOfAMalformedRunBecomesOneReplacementCharacter() {
    let bytes: [Int32] = [0xE2, 0x82, 0x41, 0xFF, 0xC3, 0xA9].map { 24 + $0 }
    #expect(tokenizer.decode(bytes) == "\u{FFFD}\u{FFFD}A\u{FFFD}é")
  }

  @Test func aPieceBetweenBytesEndsTheirRun() {
    #expect(tokenizer.decode([24 + 0xC3, 2, 24 + 0xA9]) == "\u{FFFD}\u{FFFD}")
  }

  @Test func idsOutsideTheVocabularyDecodeToTheReplacementCharacter() {
    #expect(tokenizer.decode([-1, 512, Int32.max, Int32.min]) == "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}")
  }

  @Test func everyLatinCharacterSurvivesTheRoundTrip() {
    for byte in UInt8.min...UInt8.max {
      let text = "a" + String(Unicode.Scalar(byte)) + "b"
      #expect(Array(tokenizer.decode(tokenizer.encode(text)).utf8) == Array(text.utf8))
    }
  }

  @Test func aTextBridgedFromFoundationEncodesAlike() {
    let text = "Zoë has 12 naïve robots"
    let bridged = NSString(string: text).replacingOccurrences(of: "Zoë", with: "Zoë")
    #expect(tokenizer.encode(bridged) == tokenizer.encode(text))
  }
}

/// Another model's ids, such as those of Gemma 3's 262,144 pieces. `scripts/reference/tokenizer.py check
/// FOLDER` writes them, and GEMMATUNE_TOKENIZER_CHECK=FOLDER makes this suite read them.
@Suite struct TokenizerCheckTests {
  @Test func everyStringOfTheFolderToCheckAgrees() throws {
    guard let folder = ProcessInfo.processInfo.environment["GEMMATUNE_TOKENIZER_CHECK"] else {
      print("everyStringOfTheFolderToCheckAgrees: skipped, GEMMATUNE_TOKENIZER_CHECK is not set")
      return
    }
    let tokenizer = try Tokenizer(contentsOf: folder + "/tokenizer.model")
    let lines = try TokenizerFixture.lines(in: folder)
    let encoded = lines.count { tokenizer.encode($0.text) == $0.ids }
    let decoded = lines.count { Array(tokenizer.decode($0.ids).utf8) == Array($0.decoded.utf8) }
    print(
      "\(tokenizer.vocabularySize) pieces: \(encoded) of \(lines.count) strings encode alike, \(decoded) decode alike"
    )
    #expect(!lines.isEmpty && encoded == lines.count && decoded == lines.count)
  }
}
