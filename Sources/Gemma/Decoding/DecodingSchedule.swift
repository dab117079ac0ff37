/// Which prompt stands in which row of a decoder, and which tokens the next pass takes.
struct DecodingSchedule {
  /// Some tokens of one row in a pass.
  struct Part {
    var row: Int
    /// Index of the prompt that the row answers.
    var prompt: Int
    var tokens: ArraySlice<Int32>
    /// Whether the row has no more tokens to read, so that a new one follows.
    var isLast: Bool
  }

  /// A prompt being answered, and its tokens that the model has not yet read.
  private struct Row {
    var prompt: Int
    var unread: ArraySlice<Int32>
  }

  private let prompts: [[Int32]]
  private let prefixLength: Int
  private let tokensPerPass: Int
  private var rows: [Row?]
  /// Prompts that have not yet had a row.
  private var waiting: Range<Int>

  /// All prompts waiting, of which the first `prefixLength` tokens need no reading.
  init(_ prompts: [[Int32]], prefixLength: Int, _ limits: DecodingLimits) {
    self.prompts = prompts
    self.prefixLength = prefixLength
    rows = Array(repeating: nil, count: min(limits.rows, prompts.count))
    tokensPerPass = max(limits.tokensPerPass, rows.count)
    waiting = prompts.indices
  }

  var rowCount: Int { rows.count }

  /// Puts waiting prompts, in order, into free rows.  - Returns: these rows.
  mutating func admit() -> [Int] {
    var admitted: [Int] = []
    for row in rows.indices where rows[row] == nil {
      guard let prompt = waiting.popFirst() else { break }
      rows[row] = Row(prompt: prompt, unread: prompts[prompt].dropFirst(prefixLength))
      admitted.append(row)
    }
    return admitted
  }

  /// What the next pass reads: the token of each row that decodes, then of prompts as many tokens as fit.
  mutating func nextPass() -> [Part] {
    let unread = rows.indices.compactMap { row in rows[row].map { (row: row, count: $0.unread.count) } }
    var left = tokensPerPass
    var parts: [Part] = []
    for (row, count) in unread.filter({ $0.count == 1 }) + unread.filter({ $0.count > 1 }) where left > 0 {
      guard let state = rows[row] else { continue }
      let tokens = state.unread.prefix(left)
      parts.append(.init(row: row, prompt: state.prompt, tokens: tokens, isLast: tokens.count == count))
      rows[row]?.unread.removeFirst(tokens.count)
      left -= tokens.count
    }
    return parts
  }

  /// The new token of a row, which the next pass reads.
  mutating func feed(_ id: Int32, to row: Int) { rows[row]?.unread = [id] }

  /// Ends a row's answer.
  mutating func free(_ row: Int) { rows[row] = nil }
}
