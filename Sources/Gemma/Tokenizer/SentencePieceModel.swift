import Files

/// The pieces and settings of a SentencePiece BPE model with byte fallback, read from `tokenizer.model`.
///
/// Only the settings that Gemma uses are accepted: identity normalization, no dummy prefix, blanks kept and
/// written as U+2581.
/// Source: sentencepiece 0.2.3, sentencepiece_model.proto.
struct SentencePieceModel: Sendable {
  /// What a piece stands for. The raw value is that of the file.
  enum Kind: UInt8, Sendable {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case byte = 6
  }

  /// The file's name in messages.
  let file: String
  /// UTF-8 of all pieces end to end.
  private(set) var text: [UInt8] = []
  /// Where each piece begins in `text`, then the end of the last piece.
  private(set) var offsets: [Int] = [0]
  /// Merge priority by id, finite. Higher scores merge first.
  private(set) var scores: [Float] = []
  /// Kind by id.
  private(set) var kinds: [Kind] = []
  /// Id of each byte's piece `<0xXX>`.
  private(set) var byteIds: [Int32] = []
  private(set) var unknownId: Int32 = 0
  private(set) var bosId: Int32 = 1
  private(set) var eosId: Int32 = 2
  private(set) var padId: Int32 = -1
  /// What the unknown piece decodes to.
  private(set) var unknownSurface: [UInt8] = Array(" \u{2047} ".utf8)

  /// Number of pieces.
  var count: Int { kinds.count }

  /// Bytes of the longest piece.
  private(set) var longestPiece = 1

  /// Longest piece that is accepted, in bytes.
  static let pieceLimit = 1024

  /// UTF-8 of piece `id`.
  func piece(_ id: Int) -> ArraySlice<UInt8> { text[offsets[id]..<offsets[id + 1]] }

  /// Reads a model from the contents of `file`.
  /// - Throws: `Fault` `.badData` naming the file and the piece, setting or byte.
  init(parsing bytes: [UInt8], file: String) throws {
    self.file = file
    var settings = Settings()
    var reader = ProtobufReader(bytes, range: bytes.indices, file: file)
    while let field = try reader.next() {
      switch (field.number, field.value) {
      case (1, .bytes(let range)): try addPiece(reader.nested(range), of: bytes)
      case (2, .bytes(let range)): try readTrainer(reader.nested(range), of: bytes, into: &settings)
      case (3, .bytes(let range)): try settings.readNormalizer(reader.nested(range))
      case (5, .bytes(let range)): try settings.readDenormalizer(reader.nested(range))
      default: continue
      }
    }
    guard count > 0 else { throw Fault(.badData, file: file, "no pieces; expected a SentencePiece model") }
    try settings.check(file: file)
    try checkSpecialPieces()
    byteIds = try collectedByteIds()
  }

  /// A fault at piece `id`. Its text is quoted when it is known and short.
  func fault(piece id: Int, _ problem: String) -> Fault {
    let known = id < count ? " " + quoted(piece(id)) : ""
    return Fault(.badData, file: file, place: "piece \(id)\(known)", problem)
  }
}

extension SentencePieceModel {
  private mutating func addPiece(_ message: ProtobufReader, of bytes: [UInt8]) throws {
    var reader = message
    var range = 0..<0
    var score: Float = 0
    var type: UInt64 = 1
    while let field = try reader.next() {
      switch (field.number, field.value) {
      case (1, .bytes(let payload)): range = payload
      case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
      case (3, .varint(let value)): type = value
      case (1...3, _): throw fault(piece: count, "field \(field.number) has the wrong wire type")
      default: continue
      }
    }
    try checkPiece(bytes[range], score: score)
    guard let kind = UInt8(exactly: type).flatMap(Kind.init(rawValue:)) else {
      throw fault(
        piece: count, "type \(type) of \(quoted(bytes[range])) is not supported; expected 1, 2, 3, 4 or 6")
    }
    text += bytes[range]
    longestPiece = max(longestPiece, range.count)
    offsets.append(text.count)
    // Adding 0 turns -0 into 0, so that equal scores have equal bits.
    scores.append(score + 0)
    kinds.append(kind)
  }

  private func checkPiece(_ piece: ArraySlice<UInt8>, score: Float) throws {
    guard !piece.isEmpty else { throw fault(piece: count, "empty") }
    guard piece.count <= Self.pieceLimit else {
      throw fault(piece: count, "\(piece.count) bytes long; expected at most \(Self.pieceLimit)")
    }
    guard piece.utf8IsValid else { throw fault(piece: count, "not UTF-8") }
    guard score.isFinite else {
      throw fault(piece: count, "score of \(quoted(piece)) is \(score); expected a finite number")
    }
  }

  private func checkSpecialPieces() throws {
    for (name, id) in [("bos_id", bosId), ("eos_id", eosId), ("pad_id", padId), ("unk_id", unknownId)] {
      let isUnknown = name == "unk_id"
      let (kind, piece) = isUnknown ? (Kind.unknown, "the unknown piece") : (.control, "a control piece")
      guard kinds.indices.contains(Int(id)), kinds[Int(id)] == kind else {
        throw Fault(
          .badData, file: file, place: "trainer_spec.\(name)", "got \(id); expected the id of \(piece)")
      }
    }
    if let second = kinds.indices.first(where: { kinds[$0] == .unknown && Int32($0) != unknownId }) {
      throw fault(piece: second, "a second unknown piece; expected only piece \(unknownId)")
    }
  }

  private func collectedByteIds() throws -> [Int32] {
    var ids = [Int32](repeating: -1, count: 256)
    for id in kinds.indices where kinds[id] == .byte {
      guard let byte = byte(of: id) else {
        throw fault(piece: id, "not a byte piece; expected <0x00> to <0xFF>")
      }
      ids[Int(byte)] = Int32(id)
    }
    if let absent = ids.firstIndex(of: -1) {
      let name = String(UInt8(absent), radix: 16, uppercase: true)
      throw Fault(
        .badData, file: file, place: "piece <0x\(absent < 16 ? "0" : "")\(name)>",
        "missing; expected a byte piece for every byte")
    }
    return ids
  }

  /// The byte that byte piece `id`, `<0xXX>` with upper-case digits, stands for.
  func byte(of id: Int) -> UInt8? {
    let piece = Array(piece(id))
    guard piece.count == 6, piece.starts(with: "<0x".utf8), piece[5] == UInt8(ascii: ">") else { return nil }
    func digit(_ character: UInt8) -> UInt8? {
      switch character {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
      case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
      default: nil
      }
    }
    guard let high = digit(piece[3]), let low = digit(piece[4]) else { return nil }
    return high << 4 | low
  }
}

extension SentencePieceModel {
  /// The settings that decide whether this program implements a model, with the format's defaults.
  private struct Settings {
    var modelType: UInt64 = 1
    var byteFallback = false
    var blankAsSuffix = false
    var addDummyPrefix = true
    var removeExtraBlanks = true
    var escapeBlanks = true
    var charsmapLength = 0
    var denormalizerLength = 0

    mutating func readNormalizer(_ message: ProtobufReader) throws {
      var reader = message
      while let field = try reader.next() {
        switch (field.number, field.value) {
        case (2, .bytes(let range)): charsmapLength = range.count
        case (3, .varint(let value)): addDummyPrefix = value != 0
        case (4, .varint(let value)): removeExtraBlanks = value != 0
        case (5, .varint(let value)): escapeBlanks = value != 0
        default: continue
        }
      }
    }

    mutating func readDenormalizer(_ message: ProtobufReader) throws {
      var reader = message
      while let field = try reader.next() {
        if case (2, .bytes(let range)) = (field.number, field.value) { denormalizerLength = range.count }
      }
    }

    func check(file: String) throws {
      func require(_ holds: Bool, _ place: String, _ problem: String) throws {
        guard holds else { throw Fault(.badData, file: file, place: place, problem) }
      }
      try require(modelType == 2, "trainer_spec.model_type", "got \(modelType); expected 2 (BPE)")
      try require(byteFallback, "trainer_spec.byte_fallback", "got false; expected true")
      try require(!blankAsSuffix, "trainer_spec.treat_whitespace_as_suffix", "got true; expected false")
      try require(
        charsmapLength == 0, "normalizer_spec.precompiled_charsmap",
        "got \(charsmapLength) bytes; expected none")
      try require(!addDummyPrefix, "normalizer_spec.add_dummy_prefix", "got true; expected false")
      try require(!removeExtraBlanks, "normalizer_spec.remove_extra_whitespaces", "got true; expected false")
      try require(escapeBlanks, "normalizer_spec.escape_whitespaces", "got false; expected true")
      try require(
        denormalizerLength == 0, "denormalizer_spec.precompiled_charsmap",
        "got \(denormalizerLength) bytes; expected none")
    }
  }

  private mutating func readTrainer(
    _ message: ProtobufReader, of bytes: [UInt8], into settings: inout Settings
  ) throws {
    var reader = message
    while let field = try reader.next() {
      switch (field.number, field.value) {
      case (3, .varint(let value)): settings.modelType = value
      case (24, .varint(let value)): settings.blankAsSuffix = value != 0
      case (35, .varint(let value)): settings.byteFallback = value != 0
      // int32 fields: negative numbers are written as 64 bits of which the low 32 count.
      case (40, .varint(let value)): unknownId = Int32(truncatingIfNeeded: value)
      case (41, .varint(let value)): bosId = Int32(truncatingIfNeeded: value)
      case (42, .varint(let value)): eosId = Int32(truncatingIfNeeded: value)
      case (43, .varint(let value)): padId = Int32(truncatingIfNeeded: value)
      case (44, .bytes(let range)):
        guard range.count <= Self.pieceLimit, bytes[range].utf8IsValid else {
          throw Fault(
            .badData, file: file, place: "trainer_spec.unk_surface", "not UTF-8 of at most 1024 bytes")
        }
        unknownSurface = Array(bytes[range])
      default: continue
      }
    }
  }
}

/// `piece` as messages quote it.
private func quoted(_ piece: ArraySlice<UInt8>) -> String {
  Files.quoted(String(decoding: piece, as: UTF8.self), limit: 40)
}
