/// U+FEFF in UTF-8, three bytes that some editors put at the start of a file.
package let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

/// The lines of a file, numbered from 1. They are split only at 0x0A, never at U+2028 and its like. The 0x0A,
/// one 0x0D before it, and a byte order mark at the start of the file are left out. No line follows a last
/// 0x0A.
package func lines(of bytes: [UInt8]) -> [(number: Int, bytes: ArraySlice<UInt8>)] {
  var lines: [(number: Int, bytes: ArraySlice<UInt8>)] = []
  var start = bytes.starts(with: byteOrderMark) ? byteOrderMark.count : 0
  while start < bytes.count {
    let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
    let hasReturn = end > start && bytes[end - 1] == 0x0D
    lines.append((lines.count + 1, bytes[start..<(hasReturn ? end - 1 : end)]))
    start = end + 1
  }
  return lines
}

/// Position of the first byte that is not UTF-8; nil when all are.
package func firstInvalidUTF8(in bytes: UnsafeRawBufferPointer) -> Int? {
  let span = bytes.bindMemory(to: UInt8.self).span
  do throws(Unicode.UTF8.ValidationError) {
    _ = try UTF8Span(validating: span)
    return nil
  } catch {
    return error.byteOffsets.lowerBound
  }
}

/// The part of a text that stays when it is cut.
package enum TextPart: Sendable { case start, end }

/// `text` for a message: control characters escaped, and cut to `limit` characters, with "…" for the rest.
package func excerpt(_ text: String, limit: Int = 60, of part: TextPart = .start) -> String {
  let scalars = text.unicodeScalars
  switch part {
  case .start:
    let kept = scalars.prefix(limit)
    return withoutControls(String(kept)) + (kept.endIndex < scalars.endIndex ? "…" : "")
  case .end:
    let kept = scalars.suffix(limit)
    return (kept.startIndex > scalars.startIndex ? "…" : "") + withoutControls(String(kept))
  }
}

/// A JSON value for a message, as `excerpt` of its text.
package func excerpt(_ value: JSONValue) -> String { excerpt(value.text()) }

/// `text` for a message, as `excerpt` gives it, between quotation marks.
package func quoted(
  _ text: String, limit: Int = 60, of part: TextPart = .start, mark: String = "\""
) -> String {
  mark + excerpt(text, limit: limit, of: part) + mark
}

/// A list for a message: "a, b or c".
package func listText(_ names: [String], _ last: String) -> String {
  guard let end = names.last, names.count > 1 else { return names.first ?? "" }
  return names.dropLast().joined(separator: ", ") + " \(last) \(end)"
}

/// `text` with each control character as `\u{..}`, so that the content of a file cannot move a terminal's
/// cursor.
package func withoutControls(_ text: String) -> String {
  var out = ""
  for scalar in text.unicodeScalars {
    if isControl(scalar) {
      out += scalar == "\n" ? "\\n" : "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
    } else {
      out.unicodeScalars.append(scalar)
    }
  }
  return out
}

/// A character for a message: `'x'`, or `U+000A` for a control character or white space.
func describe(_ scalar: Unicode.Scalar) -> String {
  guard isControl(scalar) || scalar.properties.isWhitespace else { return "'\(scalar)'" }
  let digits = String(scalar.value, radix: 16, uppercase: true)
  return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}

private func isControl(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.properties.generalCategory {
  case .control, .format, .lineSeparator, .paragraphSeparator: true
  default: false
  }
}
