import Files
import FoundationEssentials

/// Gemma's tokenizer: SentencePiece BPE with byte fallback, from `tokenizer.model`.
///
/// Ids and decoded text equal those of `sentencepiece` 0.2.3 (TokenizerTests). The time to encode n bytes
/// grows as n log n.
package struct Tokenizer: Sendable {
  private let model: SentencePieceModel
  private let table: PieceTable
  private let userDefined: UserDefinedTrie

  /// Reads `tokenizer.model` at `path`. With `embeddingRows`, refuses a piece without a row in the embedding.
  /// - Throws: `Fault` `.missing` without the file, `.badData` naming the file and the piece, setting or
  ///   byte.
  package init(contentsOf path: String, embeddingRows: Int? = nil) throws {
    try self.init(parsing: Self.contents(of: path), file: path)
    if let embeddingRows, vocabularySize > embeddingRows {
      throw model.fault(piece: embeddingRows, "the model's embedding has only \(embeddingRows) rows")
    }
  }

  /// Reads the bytes of a `tokenizer.model`. `file` is its name in messages.
  package init(parsing bytes: [UInt8], file: String) throws {
    model = try SentencePieceModel(parsing: bytes, file: file)
    table = try PieceTable(model)
    userDefined = UserDefinedTrie(model)
  }

  private static func contents(of path: String) throws -> [UInt8] {
    do {
      // The model of Gemma 3 has 4.7 MB.
      return try readFile(path, limit: 64 << 20)
    } catch let fault as Fault where fault.kind == .missing {
      let other = URL(fileURLWithPath: path).deletingLastPathComponent().path + "/tokenizer.json"
      guard FileManager.default.fileExists(atPath: other) else { throw fault }
      throw Fault(
        .missing, fault.message,
        hint:
          "tokenizer.json beside it is not read; download tokenizer.model from the model's Hugging Face page")
    }
  }
}

extension Tokenizer {
  /// Number of pieces. Ids are 0 ..< vocabularySize.
  package var vocabularySize: Int { model.count }
  /// Beginning of sequence, which callers add as an id.
  package var bosId: Int32 { model.bosId }
  /// End of sequence.
  package var eosId: Int32 { model.eosId }
  /// Padding.
  package var padId: Int32 { model.padId }
  /// The unknown piece, which encoding never makes.
  package var unknownId: Int32 { model.unknownId }
  /// Id of `<end_of_turn>`; nil in a vocabulary without it.
  package var endOfTurnId: Int32? { id(ofPiece: "<end_of_turn>") }
  /// The file that the tokenizer was read from, for messages.
  package var file: String { model.file }

  /// The id of `piece`, in which a blank is written as U+2581.
  package func id(ofPiece piece: String) -> Int32? {
    var piece = piece
    return piece.withUTF8 { table.find(PieceHash($0).mixed, $0, in: model) }
  }

  /// The ids of `text`, without `bosId` or `eosId`. Control pieces are never made: `<bos>` in the text is
  /// five characters. User-defined pieces such as `<end_of_turn>` are made.
  package func encode(_ text: String) -> [Int32] {
    var text = text
    let escaped = text.withUTF8 { bytes in
      var escaped: [UInt8] = []
      escaped.reserveCapacity(bytes.count + bytes.count / 2)
      for byte in bytes {
        if byte == UInt8(ascii: " ") { escaped += blankMark } else { escaped.append(byte) }
      }
      return escaped
    }
    var merging = Merging(escaped, model: model, table: table, userDefined: userDefined)
    merging.run()
    return merging.ids()
  }

  /// A lower bound on the number of ids of `text`, known without encoding it: its bytes divided by those of
  /// the longest piece.
  package func leastCount(of text: String) -> Int {
    (text.utf8.count + model.longestPiece - 1) / model.longestPiece
  }

  /// The text of `ids`. Control pieces are dropped, U+2581 becomes a blank, and byte pieces are joined. Each
  /// byte that is not part of well-formed UTF-8, and each id outside the vocabulary, becomes U+FFFD.
  package func decode(_ ids: [Int32]) -> String {
    var text: [UInt8] = []
    var run: [UInt8] = []
    for id in ids {
      guard let index = Int(exactly: id), model.kinds.indices.contains(index) else {
        appendBytes(&run, to: &text)
        text += replacement
        continue
      }
      if model.kinds[index] == .byte {
        if let byte = model.byte(of: index) { run.append(byte) }
        continue
      }
      appendBytes(&run, to: &text)
      appendPiece(index, to: &text)
    }
    appendBytes(&run, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  private func appendPiece(_ index: Int, to text: inout [UInt8]) {
    switch model.kinds[index] {
    case .control, .byte: return
    case .unknown: text += model.unknownSurface
    case .normal, .userDefined:
      let piece = model.piece(index)
      var position = piece.startIndex
      while position < piece.endIndex {
        if piece[position...].starts(with: blankMark) {
          text.append(UInt8(ascii: " "))
          position += blankMark.count
        } else {
          text.append(piece[position])
          position += 1
        }
      }
    }
  }

  /// Moves a run of byte pieces to `text`. Each malformed byte becomes U+FFFD.
  private func appendBytes(_ run: inout [UInt8], to text: inout [UInt8]) {
    var position = 0
    while position < run.count {
      if let length = run.scalarLength(at: position) {
        text += run[position..<position + length]
        position += length
      } else {
        text += replacement
        position += 1
      }
    }
    run.removeAll(keepingCapacity: true)
  }
}

/// UTF-8 of U+FFFD.
private let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]
