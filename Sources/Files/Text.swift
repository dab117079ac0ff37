/// The three bytes of U+FEFF that some editors put at the start of a UTF-8 file.
package let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

/// The lines of a file: split at 0x0A only (never at U+2028 and its like), without the 0x0A, without one 0x0D
/// before it, and without a byte order mark at the start. `number` counts from 1. No line follows a last 0x0A.
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

/// Where `bytes` first stop being UTF-8; nil when all of them are.
package func firstInvalidUTF8(in bytes: UnsafeRawBufferPointer) -> Int? {
  let span = bytes.bindMemory(to: UInt8.self).span
  do throws(Unicode.UTF8.ValidationError) {
    _ = try UTF8Span(validating: span)
    return nil
  } catch {
    return error.byteOffsets.lowerBound
  }
}

/// `text` in double quotes for a message: control characters escaped, cut after `limit` characters with "…".
package func quoted(_ text: String, limit: Int = 60) -> String {
  let cut = text.unicodeScalars.prefix(limit)
  let rest = cut.endIndex < text.unicodeScalars.endIndex ? "…" : ""
  return "\"" + withoutControls(String(cut)) + rest + "\""
}

/// `text` with every control character as `\u{..}`, so that a file's content cannot move a terminal's cursor.
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

/// A character for a message: `'x'`, or `U+000A` for what has no shape.
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
