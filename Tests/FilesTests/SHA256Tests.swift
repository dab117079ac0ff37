import Files
import Testing

@Suite struct SHA256Tests {
  /// Messages and digests of FIPS 180-2, appendix B, and of the empty message.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ]) func digestIsThatOfTheStandard(message: String, digest: String) {
    #expect(SHA256.text(Array(message.utf8)) == digest)
  }

  @Test func millionOfOneLetterGivesTheStandardsDigest() {
    #expect(
      SHA256.text([UInt8](repeating: 0x61, count: 1_000_000))
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  /// Lengths around the edges of the padding, for as many zero bytes. The digests were given by `sha256sum`.
  @Test(arguments: [
    (55, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"),
    (56, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"),
    (64, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"),
  ]) func paddingIsRightAtItsEdges(count: Int, digest: String) {
    #expect(SHA256.text([UInt8](repeating: 0, count: count)) == digest)
  }

  /// Every cut of 200 bytes in two parts, and cuts in pieces of one byte and of a prime number of bytes.
  @Test func piecesGiveTheDigestOfTheWhole() {
    let bytes = (0..<200).map { UInt8($0) }
    func digest(cutAt cuts: [Int]) -> String {
      var hash = SHA256()
      for (start, end) in zip([0] + cuts, cuts + [bytes.count]) {
        bytes[start..<end].withUnsafeBytes { hash.update($0) }
      }
      return hash.finishedText()
    }
    let whole = SHA256.text(bytes)
    let cuts = (0...200).map { [$0] } + [Array(0...200), Array(stride(from: 0, through: 200, by: 37))]
    #expect(cuts.count == 203)
    for cut in cuts { #expect(digest(cutAt: cut) == whole, "\(cut)") }
  }

  /// Bytes of a fixed stream: a linear congruence modulo 2^64, its top byte each time.
  private func stream(_ count: Int) -> [UInt8] {
    var state: UInt64 = 42
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
  }

  private func digest(_ bytes: ArraySlice<UInt8>, _ way: SHA256.Way) -> String {
    var hash = SHA256(way)
    bytes.withUnsafeBytes { hash.update($0) }
    return hash.finishedText()
  }

  /// Every length up to four blocks, from every address within a block, and one length of many blocks.
  @Test func portableCodeGivesTheDigestOfTheInstructions() {
    if SHA256.Way.fastest == .portable { print("this processor has no SHA instructions to compare with") }
    let bytes = stream(100_000)
    for count in 0...256 {
      let part = bytes[(count % 64)..<(count % 64 + count)]
      #expect(digest(part, .portable) == digest(part, .instructions), "\(count)")
    }
    #expect(digest(bytes[1...], .portable) == digest(bytes[1...], .instructions))
  }

  @Test func portableCodeGivesTheStandardsDigest() {
    #expect(
      digest([UInt8](repeating: 0x61, count: 1_000_000)[...], .portable)
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  /// A file of several pieces and a part of one. Its digest does not depend on how it is read.
  @Test func fileHasTheDigestOfItsBytes() throws {
    let bytes = stream(300_001)
    try withFolder { folder in
      try writeAtomically(bytes, to: folder + "/a")
      #expect(try SHA256.text(ofFile: folder + "/a") == SHA256.text(bytes))
      try writeAtomically("", to: folder + "/a")
      #expect(try SHA256.text(ofFile: folder + "/a") == SHA256.text([]))
      #expect(throws: Fault(.missing, "\(folder): is a folder; expected a file")) {
        try SHA256.text(ofFile: folder)
      }
    }
  }
}
