import Files
import Foundation
import Gemma
import Testing

/// splitmix64; scripts/reference/tokenizer.py has the same generator, strings and hash.
private struct CountedRandom {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

private let words: [String] =
  ("Question Answer the a of has buys gives each twice half total how many much does have left now dollars cents "
  + "per hour week together more than fewer costs earns spends saves first then so therefore <b> </b> #### << >> "
  + "<start_of_turn> <end_of_turn> user model <bos> <eos> <pad> <unk> <mask> [multimodal] <0x41> ▁ ▁▁ café 数 😀 é")
  .components(separatedBy: " ")

private func generatedString(_ index: Int) -> String {
  var random = CountedRandom(state: UInt64(index) &* 0x100_0000_01B3)
  var text = String.UnicodeScalarView()
  for _ in 0..<random.below(12) { appendPart(&random, to: &text) }
  return String(text)
}

private func appendPart(_ random: inout CountedRandom, to text: inout String.UnicodeScalarView) {
  let kind = random.below(10)
  let count = 1 + random.below(6)
  func append(_ value: Int) { if let scalar = Unicode.Scalar(UInt32(value)) { text.append(scalar) } }
  for _ in 0..<count {
    switch kind {
    case 0: append(0x20)
    case 1: append(0x0A)
    case 2: append(0x30 + random.below(10))
    case 3: append(random.below(0x100))
    case 4: append(scalarValue(random.below(0x110000)))
    case 5:
      append(0x41 + random.below(26))
      append(0x300 + random.below(0x70))
    case 6: append(scalarValue(random.below(0x3000)))
    case 7: append(0x1F300 + random.below(0x300))
    default:
      text.append(contentsOf: words[random.below(words.count)].unicodeScalars)
      if random.below(3) != 0 { append(0x20) }
    }
  }
}

/// Moves a surrogate up out of its block; the script does this too.
private func scalarValue(_ value: Int) -> Int { (0xD800..<0xE000).contains(value) ? value + 0x800 : value }

private func generatedIds(_ index: Int, pieces: Int) -> [Int32] {
  var random = CountedRandom(state: UInt64(index) &* 0x100_0000_01B3 &+ 7)
  return (0..<random.below(24)).map { _ in
    let bound = random.below(4) != 0 ? min(300, pieces) : pieces
    return Int32(random.below(bound))
  }
}

/// 64-bit FNV-1a over each thousand items, with a byte that UTF-8 never has after each item.
private func hashes<Item>(_ items: [Item], _ bytes: (Item) -> [UInt8]) -> [String] {
  stride(from: 0, to: items.count, by: 1000).map { start in
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for item in items[start..<min(start + 1000, items.count)] {
      for byte in bytes(item) + [0xFF] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

private func littleEndian(_ ids: [Int32]) -> [UInt8] {
  ids.flatMap { id in withUnsafeBytes(of: id.littleEndian, Array.init) }
}

@Suite struct TokenizerGeneratedTests {
  private let tokenizer: Tokenizer
  private let expected: JSONObject

  init() throws {
    tokenizer = try TokenizerFixture.tokenizer()
    let file = TokenizerFixture.folder + "/generated.json"
    expected = try #require(JSONValue(parsing: readFile(file), file: file).objectValue)
  }

  private func values(_ key: String) throws -> [String] {
    try #require(expected[key]?.arrayValue).map { try #require($0.stringValue) }
  }

  @Test func tenThousandStringsEncodeAndDecodeAsSentencePieceDoes() throws {
    let strings = (0..<10_000).map(generatedString)
    // The strings come first: where they differ, the generators differ and not the tokenizers.
    #expect(try hashes(strings) { Array($0.utf8) } == values("string_hashes"))
    let ids = strings.map(tokenizer.encode)
    #expect(expected["ids"]?.intValue == ids.reduce(0) { $0 + $1.count })
    #expect(try hashes(ids, littleEndian) == values("id_hashes"))
    #expect(try hashes(ids) { Array(tokenizer.decode($0).utf8) } == values("decoded_hashes"))
  }

  @Test func twoThousandIdSequencesDecodeAsSentencePieceDoes() throws {
    let sequences = (0..<2_000).map { generatedIds($0, pieces: tokenizer.vocabularySize) }
    #expect(try hashes(sequences, littleEndian) == values("sequence_hashes"))
    #expect(try hashes(sequences) { Array(tokenizer.decode($0).utf8) } == values("decoded_sequence_hashes"))
  }
}
