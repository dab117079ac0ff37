import Files

/// The largest file of problems that is read, in bytes.
let maximumFileSize = 1 << 30
/// The longest line that is read, in bytes.
let maximumLineLength = 16 << 20

/// The first `limit` problems (nil: all) of `split` in a folder of OpenAI's layout: `train.jsonl`,
/// `test.jsonl`, `train_socratic.jsonl`, `test_socratic.jsonl`. A larger limit is accepted.
/// - Throws: `Fault` naming `path:line`; .missing with a hint where the file does not exist.
package func loadProblems(folder: String, split: String, variant: Variant, limit: Int? = nil) throws
  -> [Problem]
{
  let file = try problemFile(folder: folder, split: split, variant: variant)
  do {
    return try loadProblems(file: file, limit: limit)
  } catch let fault as Fault where fault.kind == .missing {
    let hint = homeHint(folder) ?? "scripts/fetch_gsm8k.sh fetches GSM8K into data/gsm8k."
    throw Fault(.missing, fault.message, hint: hint)
  }
}

/// The path of a variant's split in a folder of OpenAI's layout.
/// - Throws: `Fault` .configuration for a split that is no plain name.
package func problemFile(folder: String, split: String, variant: Variant) throws -> String {
  guard !split.isEmpty, !split.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 }) else {
    throw Fault(.configuration, "split \(quoted(split)): not a plain name; expected one like train or test")
  }
  return "\(folder)/\(split)\(variant == .socratic ? "_socratic" : "").jsonl"
}

/// The first `limit` problems (nil: all) of one JSONL file.
/// - Throws: `Fault` naming `path:line`.
package func loadProblems(file: String, limit: Int? = nil) throws -> [Problem] {
  let lines = lines(of: try readFile(file, limit: maximumFileSize))
  let problems = try lines.prefix(max(0, limit ?? lines.count)).enumerated().map { index, line in
    try problem(id: index, line: JSONFields(line, file: file, limit: maximumLineLength))
  }
  guard !problems.isEmpty else { throw Fault(.badData, file: file, "no examples") }
  return problems
}

private func problem(id: Int, line: JSONFields) throws -> Problem {
  let question = try line.read(.text("question"))
  let answer = try line.read(.text("answer"))
  for (key, text) in [("question", question), ("answer", answer)] where text.utf8.contains(0) {
    throw line.fault("NUL character in '\(key)'")
  }
  guard question.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
    throw line.fault("'question' is empty")
  }
  guard endsInAnswerLine(answer) else {
    let end = quoted(answer, limit: 40, of: .end)
    throw line.fault("'answer' does not end in its only '#### NUMBER' line, got \(end)")
  }
  return Problem(id: id, question: question, answer: answer)
}

/// Whether the last line is `#### NUMBER` and no line before it holds `####`. Scoring definitions would
/// disagree about such an answer: some take the first mark, some the last.
private func endsInAnswerLine(_ answer: String) -> Bool {
  let bytes = Array(answer.utf8)
  let lastLine = bytes.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
  guard bytes[lastLine...].starts(with: answerMark) else { return false }
  let earlier = firstPlace(of: Array(answerMark.dropLast()), in: bytes)
  return earlier?.lowerBound == lastLine && isNumber(bytes[(lastLine + answerMark.count)...])
}

/// Whether it is `-?` and digits, with commas between and perhaps a fraction: `18`, `2,125`, `-3.5`.
private func isNumber(_ bytes: ArraySlice<UInt8>) -> Bool {
  let unsigned = bytes.first == UInt8(ascii: "-") ? bytes.dropFirst() : bytes
  let parts = unsigned.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
  guard let whole = parts.first, let first = whole.first, isDigit(first), parts.count <= 2 else {
    return false
  }
  return whole.allSatisfy { isDigit($0) || $0 == UInt8(ascii: ",") } && whole.last.map(isDigit) == true
    && parts.dropFirst().allSatisfy { !$0.isEmpty && $0.allSatisfy(isDigit) }
}
