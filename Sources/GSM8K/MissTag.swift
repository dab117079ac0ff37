/// What may be wrong with an answer, as far as its text shows.
package enum MissTag: String, CaseIterable, Sendable {
  /// There is no `#### NUMBER` anywhere.
  case noAnswer = "no_answer"
  /// The length limit ended it.
  case truncated
  /// Text goes on after the `#### NUMBER` line.
  case ranOn = "ran_on"
  /// An equation is wrong: its left side gives something else.
  case arithmeticSlip = "arithmetic_slip"
  /// None of these.
  case reasoning
}

/// The tags of a wrong answer, in the order of `MissTag`: all that hold, or `reasoning` alone. `completion`
/// is the generated text before it is cut at stop strings.
package func missTags(completion: String, stop: StopReason) -> [MissTag] {
  var tags: [MissTag] = []
  if strictAnswer(in: completion) == nil { tags.append(.noAnswer) }
  if stop == .length { tags.append(.truncated) }
  if runsOn(completion) { tags.append(.ranOn) }
  if !arithmeticSlips(in: completion).isEmpty { tags.append(.arithmeticSlip) }
  return tags.isEmpty ? [.reasoning] : tags
}

/// Whether anything except for blanks follows the first line with a `#### NUMBER`.
private func runsOn(_ completion: String) -> Bool {
  let lines = completion.utf8.split(separator: 0x0A)
  guard let answer = lines.firstIndex(where: { strictAnswer(in: String($0) ?? "") != nil }) else {
    return false
  }
  return lines[(answer + 1)...].contains { line in line.contains { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D } }
}
