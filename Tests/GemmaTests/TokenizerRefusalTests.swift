import Files
import Foundation
import Gemma
import Testing

/// A SentencePiece model written field by field. Fields that are not set are those of Gemma's models.
private struct ModelText {
  struct Piece {
    var text: [UInt8]
    var score: Float = 0
    var type: UInt64 = 1
  }

  var pieces: [Piece]
  var trainer: [UInt64: UInt64] = [3: 2, 35: 1, 40: 3, 41: 2, 42: 1, 43: 0]
  var normalizer: [UInt64: UInt64] = [3: 0, 4: 0, 5: 1]
  var charsmap: [UInt8] = []
  var denormalizer: [UInt8] = []

  /// The four special pieces, the bytes, "a", "b" and "ab".
  init() {
    pieces = zip(["<pad>", "<eos>", "<bos>", "<unk>"], [3, 3, 3, 2] as [UInt64]).map {
      Piece(text: Array($0.utf8), type: $1)
    }
    pieces += (0..<256).map { Piece(text: Array(String(format: "<0x%02X>", $0).utf8), type: 6) }
    pieces += ["a", "b", "ab"].map { Piece(text: Array($0.utf8)) }
  }

  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    for piece in pieces {
      let score = withUnsafeBytes(of: piece.score.bitPattern.littleEndian, Array.init)
      bytes += field(
        1, field(1, piece.text) + varint(2 << 3 | 5) + score + varint(3 << 3) + varint(piece.type))
    }
    bytes += field(2, trainer.sorted { $0.key < $1.key }.flatMap { varint($0.key << 3) + varint($0.value) })
    bytes += field(
      3,
      field(2, charsmap)
        + normalizer.sorted { $0.key < $1.key }.flatMap { varint($0.key << 3) + varint($0.value) })
    return denormalizer.isEmpty ? bytes : bytes + field(5, field(2, denormalizer))
  }
}

private func varint(_ value: UInt64) -> [UInt8] {
  var (bytes, rest) = ([UInt8](), value)
  while rest > 0x7F {
    bytes.append(UInt8(rest & 0x7F) | 0x80)
    rest >>= 7
  }
  return bytes + [UInt8(rest)]
}

private func field(_ number: UInt64, _ payload: [UInt8]) -> [UInt8] {
  varint(number << 3 | 2) + varint(UInt64(payload.count)) + payload
}

private func message(_ bytes: [UInt8]) throws -> String? {
  do {
    _ = try Tokenizer(parsing: bytes, file: "tokenizer.model")
    return nil
  } catch let fault as Fault {
    #expect(fault.kind == .badData)
    return fault.message
  }
}

private func message(_ change: (inout ModelText) -> Void) throws -> String? {
  var model = ModelText()
  change(&model)
  return try message(model.bytes)
}

@Suite struct TokenizerRefusalTests {
  @Test func theModelThatTheOthersSpoilIsAccepted() throws {
    let tokenizer = try Tokenizer(parsing: ModelText().bytes, file: "tokenizer.model")
    let bytes: [Int32] = [0xE2, 0x96, 0x81, 0xC3, 0xA9].map { 4 + $0 }
    #expect(tokenizer.encode("aab é") == [260, 262] + bytes)
  }

  @Test func userDefinedPiecesAreNeverMerged() throws {
    var model = ModelText()
    #expect(try Tokenizer(parsing: model.bytes, file: "tokenizer.model").encode("abb") == [262, 261])
    model.pieces[260].type = 4
    // sentencepiece 0.2.3 gives these ids for this model.
    #expect(try Tokenizer(parsing: model.bytes, file: "tokenizer.model").encode("abb") == [260, 261, 261])
  }

  // Faults of the wire format.

  @Test func aFieldOfHalfTheAddressSpaceIsRefused() throws {
    let bytes = varint(1 << 3 | 2) + varint(1 << 63) + [0]
    #expect(
      try message(bytes) == "tokenizer.model: byte 1: a field of 9223372036854775808 bytes, only 1 are left")
  }

  @Test func aTruncatedFileIsRefusedAtEveryLength() throws {
    let whole = ModelText().bytes
    for length in stride(from: 0, to: whole.count - 1, by: 7) {
      #expect(try message(Array(whole[..<length])) != nil)
    }
    #expect(
      try message(Array(whole[..<100]))
        == "tokenizer.model: byte 99: a field of 15 bytes, only 0 are left")
    #expect(try message([]) == "tokenizer.model: no pieces; expected a SentencePiece model")
  }

  @Test func aNumberOfElevenBytesIsRefused() throws {
    let bytes = [UInt8](repeating: 0xFF, count: 10) + [1]
    #expect(try message(bytes) == "tokenizer.model: byte 0: a number of more than 64 bits")
    #expect(try message([0x08, 0x80]) == "tokenizer.model: byte 1: the file ends inside a number")
  }

  @Test func groupsAndFieldZeroAreRefused() throws {
    #expect(try message([0x0B]) == "tokenizer.model: byte 0: wire type 3 in field 1; expected 0, 1, 2 or 5")
    #expect(try message([0x00]) == "tokenizer.model: byte 0: field number 0; expected a SentencePiece model")
    #expect(try message([0x0D, 0]) == "tokenizer.model: byte 1: a value of 4 bytes, only 1 are left")
  }

  @Test func unknownFieldsAreSkipped() throws {
    let extra =
      varint(4 << 3 | 1) + [UInt8](repeating: 1, count: 8) + field(200, [1, 2, 3]) + varint(201 << 3) + [1]
    #expect(try message(extra + ModelText().bytes) == nil)
  }

  // Faults of a piece.

  @Test func aPieceOf120KilobytesIsRefused() throws {
    let text = [UInt8](repeating: 0x61, count: 122_880)
    #expect(
      try message { $0.pieces.append(.init(text: text)) }
        == "tokenizer.model: piece 263: 122880 bytes long; expected at most 1024")
  }

  @Test func aPieceThatStandsTwiceIsRefused() throws {
    #expect(
      try message { $0.pieces.append(.init(text: [0x61])) }
        == #"tokenizer.model: piece 263 "a": stands twice; expected only piece 260"#)
  }

  @Test(arguments: [(Float.nan, "nan"), (.infinity, "inf"), (-.infinity, "-inf")])
  func aScoreThatIsNotFiniteIsRefused(_ score: Float, _ text: String) throws {
    #expect(
      try message { $0.pieces.append(.init(text: Array("z\u{1B}".utf8), score: score)) }
        == #"tokenizer.model: piece 263: score of "z\u{1B}" is \#(text); expected a finite number"#)
  }

  @Test func emptyAndMalformedPiecesAreRefused() throws {
    #expect(try message { $0.pieces.append(.init(text: [])) } == "tokenizer.model: piece 263: empty")
    #expect(
      try message { $0.pieces.append(.init(text: [0xED, 0xA0, 0x80])) }
        == "tokenizer.model: piece 263: not UTF-8")
  }

  @Test func unusedPiecesAreRefused() throws {
    #expect(
      try message { $0.pieces.append(.init(text: [0x63], type: 5)) }
        == #"tokenizer.model: piece 263: type 5 of "c" is not supported; expected 1, 2, 3, 4 or 6"#)
  }

  @Test func aPieceFieldOfTheWrongTypeIsRefused() throws {
    let bytes = ModelText().bytes + field(1, varint(1 << 3) + [5])
    #expect(try message(bytes) == "tokenizer.model: piece 263: field 1 has the wrong wire type")
  }

  @Test func aModelWithoutAllBytesIsRefused() throws {
    #expect(
      try message { $0.pieces.removeSubrange(4..<260) }
        == "tokenizer.model: piece <0x00>: missing; expected a byte piece for every byte")
    #expect(
      try message { $0.pieces.remove(at: 4 + 0xAF) }
        == "tokenizer.model: piece <0xAF>: missing; expected a byte piece for every byte")
    #expect(
      try message { $0.pieces.append(.init(text: Array("<0xaf>".utf8), type: 6)) }
        == #"tokenizer.model: piece 263 "<0xaf>": not a byte piece; expected <0x00> to <0xFF>"#)
  }

  @Test func aSecondUnknownPieceIsRefused() throws {
    #expect(
      try message { $0.pieces.append(.init(text: [0x63], type: 2)) }
        == #"tokenizer.model: piece 263 "c": a second unknown piece; expected only piece 3"#)
  }

  @Test func morePiecesThanEmbeddingRowsAreRefused() throws {
    let path = TokenizerFixture.folder + "/tokenizer.model"
    #expect(throws: Never.self) { try Tokenizer(contentsOf: path, embeddingRows: 512) }
    #expect(
      throws: Fault(.badData, #"\#(path): piece 511 "Q": the model's embedding has only 511 rows"#)
    ) { try Tokenizer(contentsOf: path, embeddingRows: 511) }
  }

  // Faults of a setting.

  @Test(
    arguments: [
      (3, 1, "model_type: got 1; expected 2 (BPE)"),
      (35, 0, "byte_fallback: got false; expected true"),
      (24, 1, "treat_whitespace_as_suffix: got true; expected false"),
      (40, 0, "unk_id: got 0; expected the id of the unknown piece"),
      (41, 3, "bos_id: got 3; expected the id of a control piece"),
      (42, 263, "eos_id: got 263; expected the id of a control piece"),
      (43, UInt64.max, "pad_id: got -1; expected the id of a control piece"),
    ] as [(UInt64, UInt64, String)])
  func trainerSettingsOfOtherModelsAreRefused(_ number: UInt64, _ value: UInt64, _ expected: String) throws {
    #expect(try message { $0.trainer[number] = value } == "tokenizer.model: trainer_spec." + expected)
  }

  @Test(
    arguments: [
      (3, 1, "add_dummy_prefix: got true; expected false"),
      (4, 1, "remove_extra_whitespaces: got true; expected false"),
      (5, 0, "escape_whitespaces: got false; expected true"),
    ] as [(UInt64, UInt64, String)])
  func normalizerSettingsOfOtherModelsAreRefused(_ number: UInt64, _ value: UInt64, _ expected: String) throws
  {
    #expect(try message { $0.normalizer[number] = value } == "tokenizer.model: normalizer_spec." + expected)
  }

  @Test func missingSettingsHaveTheFormatsDefaults() throws {
    #expect(
      try message { $0.trainer[3] = nil }
        == "tokenizer.model: trainer_spec.model_type: got 1; expected 2 (BPE)")
    #expect(
      try message { $0.normalizer[3] = nil }
        == "tokenizer.model: normalizer_spec.add_dummy_prefix: got true; expected false")
  }

  @Test func characterMapsAreRefused() throws {
    #expect(
      try message { $0.charsmap = [1, 2, 3] }
        == "tokenizer.model: normalizer_spec.precompiled_charsmap: got 3 bytes; expected none")
    #expect(
      try message { $0.denormalizer = [1] }
        == "tokenizer.model: denormalizer_spec.precompiled_charsmap: got 1 bytes; expected none")
  }

  // Faults of the folder.

  @Test func aMissingModelIsNamedAndTokenizerJSONGetsAHint() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tokenizer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "tokenizer.model").path
    #expect(throws: Fault(.missing, "\(path): no such file")) { try Tokenizer(contentsOf: path) }
    try Data("{}".utf8).write(to: folder.appending(path: "tokenizer.json"))
    let hint =
      "tokenizer.json beside it is not read; download tokenizer.model from the model's Hugging Face page"
    #expect(throws: Fault(.missing, "\(path): no such file", hint: hint)) { try Tokenizer(contentsOf: path) }
  }
}
