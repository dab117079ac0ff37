import Files

/// A question as Gemma's turns, in text and in a tokenizer's ids.
///
/// Source: the chat templates published with Gemma (trl chat_templates/gemma.jinja, gemma3.jinja) after their
/// `<bos>`. That token is added once, as an id, and never as text.
package struct ChatTurns: Sendable {
  private let tokenizer: Tokenizer
  /// Ends a turn, and with it an answer.
  package let endOfTurnId: Int32

  /// Turns in `tokenizer`'s ids.
  /// - Throws: `Fault` `.badData` when the vocabulary has no turn pieces.
  package init(_ tokenizer: Tokenizer) throws {
    func id(_ piece: String) throws -> Int32 {
      if let id = tokenizer.id(ofPiece: piece) { return id }
      throw Fault(
        .badData, file: tokenizer.file, place: "piece \(piece)",
        "missing; expected a vocabulary with Gemma's turns")
    }
    _ = try id(ChatTurns.start)
    endOfTurnId = try id(ChatTurns.end)
    self.tokenizer = tokenizer
  }

  /// The start of an answer's generation: `bosId`, the user's turn and the opening of the model's turn.
  package func prompt(_ user: String) -> [Int32] {
    [tokenizer.bosId] + tokenizer.encode(ChatTurns.text(user: user))
  }
}

extension ChatTurns {
  private static let start = "<start_of_turn>"
  private static let end = "<end_of_turn>"

  /// The user's turn and the opening of the model's turn, without `<bos>`.
  package static func text(user: String) -> String {
    turn("user", trimmed(user)) + start + "model\n"
  }

  private static func turn(_ role: String, _ content: String) -> String {
    "\(start)\(role)\n\(content)\(end)\n"
  }

  /// `text` without blanks at either end, which the templates' `trim` (Python's `str.strip`) removes.
  private static func trimmed(_ text: String) -> String {
    // Python also strips U+001C to U+001F, which Unicode does not count as white space.
    func isBlank(_ scalar: Unicode.Scalar) -> Bool {
      scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !isBlank($0) }),
      let last = scalars.lastIndex(where: { !isBlank($0) })
    else { return "" }
    return String(scalars[first...last])
  }
}
