/// Continuous batching, as in Orca and vLLM: which prompt has which slot (row of the decoder's batch), and
/// which tokens the next forward pass reads.
struct DecodingSchedule {
  /// Consecutive tokens of one slot in a forward pass.
  struct Part {
    var row: Int
    /// Index of the prompt in this slot.
    var prompt: Int
    var tokens: ArraySlice<Int32>
    /// Whether these are the slot's last unread tokens, so that the pass yields a new one.
    var isLast: Bool
  }

  /// A prompt in its slot, and those of its tokens that the model has not read yet.
  private struct Row {
    var prompt: Int
    var unread: ArraySlice<Int32>
  }

  private let prompts: [[Int32]]
  private let prefixLength: Int
  private let tokensPerPass: Int
  private var rows: [Row?]
  /// Prompts that have not yet had a slot.
  private var waiting: Range<Int>

  /// A schedule in which all prompts wait. Their first `prefixLength` tokens are in the cache already.
  init(_ prompts: [[Int32]], prefixLength: Int, _ limits: DecodingLimits) {
    self.prompts = prompts
    self.prefixLength = prefixLength
    rows = Array(repeating: nil, count: min(limits.rows, prompts.count))
    tokensPerPass = max(limits.tokensPerPass, rows.count)
    waiting = prompts.indices
  }

  var rowCount: Int { rows.count }

  /// Puts waiting prompts, in order, into free slots.  - Returns: these slots.
  mutating func admit() -> [Int] {
    var admitted: [Int] = []
    for row in rows.indices where rows[row] == nil {
      guard let prompt = waiting.popFirst() else { break }
      rows[row] = Row(prompt: prompt, unread: prompts[prompt].dropFirst(prefixLength))
      admitted.append(row)
    }
    return admitted
  }

  /// The tokens of the next forward pass: first one of each slot that decodes, then as much prefill as fits.
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

  /// Adds the new token of a slot, which the next forward pass reads.
  mutating func feed(_ id: Int32, to row: Int) { rows[row]?.unread = [id] }

  /// Frees the slot of a finished answer.
  mutating func free(_ row: Int) { rows[row] = nil }
}
