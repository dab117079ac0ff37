import Files

/// One turn of a conversation.
package struct ChatTurn: Equatable, Sendable {
  /// Who speaks. The raw value is the role's name in Hugging Face's messages.
  package enum Role: String, Sendable {
    /// Instructions that stand before the first user turn.
    case system
    /// The person.
    case user
    /// The model, written `model` in the text.
    case assistant
  }

  /// Who speaks.
  package var role: Role
  /// What is said. The text trims it, except for a system turn.
  package var content: String

  /// A turn of `role` that says `content`.
  package init(_ role: Role, _ content: String) {
    self.role = role
    self.content = content
  }
}

/// The turns of a conversation as Gemma's text and as its ids, for one family and one tokenizer.
///
/// Source: the chat templates published with Gemma (trl chat_templates/gemma.jinja, gemma3.jinja) after their
/// `<bos>`. That token is added once, as an id, and never as text.
package struct ChatTurns: Sendable {
  private let family: ModelConfiguration.Family
  private let tokenizer: Tokenizer
  /// Ends a turn, and with it an answer.
  package let endOfTurnId: Int32

  /// Turns of `family` in `tokenizer`'s ids.
  /// - Throws: `Fault` `.badData` when the vocabulary has no turn pieces.
  package init(family: ModelConfiguration.Family, tokenizer: Tokenizer) throws {
    func id(_ piece: String) throws -> Int32 {
      if let id = tokenizer.id(ofPiece: piece) { return id }
      throw Fault(
        .badData, file: tokenizer.file, place: "piece \(piece)",
        "missing; expected a vocabulary with Gemma's turns")
    }
    _ = try id(ChatTurns.start)
    endOfTurnId = try id(ChatTurns.end)
    self.family = family
    self.tokenizer = tokenizer
  }

  /// The start of an answer's generation: `bosId`, the user's turn and the opening of the model's turn.
  package func prompt(_ user: String) -> [Int32] {
    [tokenizer.bosId] + tokenizer.encode(ChatTurns.text(user: user))
  }

  /// `bosId`, then `turns` and the opening of the model's next turn.
  /// - Throws: the faults of `text(of:family:)`.
  package func prompt(_ turns: [ChatTurn]) throws -> [Int32] {
    [tokenizer.bosId] + tokenizer.encode(try ChatTurns.text(of: turns, family: family))
  }
}

extension ChatTurns {
  private static let start = "<start_of_turn>"
  private static let end = "<end_of_turn>"

  /// The user's turn and the opening of the model's turn, without `<bos>`.
  package static func text(user: String) -> String {
    turn("user", trimmed(user)) + start + "model\n"
  }

  /// `turns` and the opening of the model's next turn, without `<bos>`.
  ///
  /// A system turn may only come first. Gemma 3 puts its text, untrimmed, and an empty line before the text
  /// of the first user turn.
  /// - Throws: `Fault` `.badData` for a system turn in Gemma 1 and 2, and for turns that do not alternate
  ///   beginning with the user.
  package static func text(of turns: [ChatTurn], family: ModelConfiguration.Family) throws -> String {
    var turns = turns[...]
    var prefix = ""
    if let first = turns.first, first.role == .system {
      guard family == .gemma3 else {
        throw Fault(
          .badData, "turn 1: a system turn, which \(family.rawValue) does not have; expected user",
          hint: "put its text at the start of the user's turn")
      }
      prefix = first.content + "\n\n"
      turns = turns.dropFirst()
    }
    var text = ""
    for (index, turn) in zip(turns.indices, turns) {
      let isUser = (index - turns.startIndex).isMultiple(of: 2)
      guard turn.role == (isUser ? .user : .assistant) else {
        throw Fault(
          .badData, "turn \(index + 1): got \(turn.role.rawValue); expected \(isUser ? "user" : "assistant")")
      }
      text += self.turn(isUser ? "user" : "model", prefix + trimmed(turn.content))
      prefix = ""
    }
    guard turns.last?.role == .user else {
      throw Fault(.badData, "turn \(turns.endIndex + 1): missing; expected user")
    }
    return text + start + "model\n"
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
