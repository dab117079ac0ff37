/// The mark before a final answer.
let answerMark = Array("#### ".utf8)
/// The harnesses' text for an answer that was not found.
let invalidAnswer = "[invalid]"

/// OpenAI's answer in `text`: the first match of `#### (\-?[0-9\.\,]+)` without commas; nil without a match.
///
/// `"so 1,8.\n#### 1,8 eggs"` gives `"18"`. It may be empty, or hold no digit: `"#### ,"` gives `""`.
/// Source: openai/grade-school-math 3101c7d, grade_school_math/dataset.py, extract_answer.
package func openAIAnswer(in text: String) -> String? {
  strictAnswer(in: text).map { String(ascii: $0.utf8.filter { $0 != UInt8(ascii: ",") }) }
}

/// lm-evaluation-harness's strict-match: the first match of `#### (\-?[0-9\.\,]+)`, unchanged; nil for none.
/// Source: EleutherAI/lm-evaluation-harness 4e7e0d4, lm_eval/tasks/gsm8k/gsm8k.yaml, version 3.0.
package func strictAnswer(in text: String) -> String? {
  let bytes = Array(text.utf8)
  var start = 0
  while let mark = firstPlace(of: answerMark, in: bytes, from: start) {
    let number = signedRun(in: bytes, from: mark.upperBound, of: isNumberByte)
    if number.digits > 0 { return String(ascii: bytes[mark.upperBound..<number.end]) }
    start = mark.lowerBound + 1
  }
  return nil
}

/// lm-evaluation-harness's flexible-extract: the last match of `(-?[$0-9.,]{2,})|(-?[0-9]+)`; nil for none.
/// `"so $18.00"` gives `"$18.00"`, `"18..."` gives `"18..."`.
/// Source: that of `strictAnswer`.
package func flexibleAnswer(in text: String) -> String? {
  let bytes = Array(text.utf8)
  var last: Range<Int>?
  var place = 0
  while place < bytes.count {
    let long = signedRun(in: bytes, from: place) { isNumberByte($0) || $0 == UInt8(ascii: "$") }
    let short = signedRun(in: bytes, from: place, of: isDigit)
    if long.digits >= 2 || short.digits >= 1 {
      let end = long.digits >= 2 ? long.end : short.end
      last = place..<end
      place = end
    } else {
      place += 1
    }
  }
  return last.map { String(ascii: bytes[$0]) }
}

/// Whether `completion` is right by OpenAI's definition: both extracted answers exist and are equal.
package func isCorrectByOpenAI(_ completion: String, reference: String) -> Bool {
  guard let answer = openAIAnswer(in: completion), let expected = openAIAnswer(in: reference) else {
    return false
  }
  return answer == expected
}

/// Whether an answer of `strictAnswer` or `flexibleAnswer` is right by lm-evaluation-harness. The answer and
/// the whole reference answer are cleaned in the same way; then both must be the same string.
/// Source: `exact_match_hf_evaluate` with the task's `regexes_to_ignore` and `ignore_case`.
package func isCorrectByHarness(_ extracted: String?, reference: String) -> Bool {
  cleaned(extracted ?? invalidAnswer) == cleaned(reference)
}

/// The text in lower case, without matches of `,`, `\$`, `(?s).*#### ` and `\.$`, removed in this order.
private func cleaned(_ text: String) -> [UInt8] {
  var bytes = text.utf8.filter { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "$") }
  var start = 0
  while let mark = firstPlace(of: answerMark, in: bytes, from: start) { start = mark.upperBound }
  bytes.removeFirst(start)
  // Python's `$` also matches before a last line feed. No extracted answer holds one, so it does not matter.
  if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
  return bytes.map { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") ? $0 + 32 : $0 }
}

/// An optional minus, then all following bytes of a class. `digits` counts those bytes.
private func signedRun(
  in bytes: [UInt8], from start: Int, of isMember: (UInt8) -> Bool
) -> (end: Int, digits: Int) {
  let first = start < bytes.count && bytes[start] == UInt8(ascii: "-") ? start + 1 : start
  var end = first
  while end < bytes.count && isMember(bytes[end]) { end += 1 }
  return (end, end - first)
}

private func isNumberByte(_ byte: UInt8) -> Bool {
  isDigit(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: ",")
}
