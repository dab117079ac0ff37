/// The value of an expression of decimals with + - * / and parentheses, the form of GSM8K's `<<...>>`.
///
/// nil where the text is anything else (`2**3` too), divides by zero, or leaves Double's range. Text of more
/// than 500 bytes or nested deeper than 32 is not evaluated.
package func arithmeticValue(of text: String) -> Double? {
  guard text.utf8.count <= 500 else { return nil }
  var expression = Expression(bytes: Array(text.utf8))
  guard let value = expression.sum(), expression.isAtEnd, value.isFinite else { return nil }
  return value
}

/// The equations in `text` whose left side does not give their right side, unchanged: `<<a=b>>`, and `x op y
/// = z` in running text.
///
/// An equation is not checked if its left side is no expression of numbers, or its right side no number. The
/// sides agree within 1e-9 of the larger one (of 1, when both are smaller), so 10 / 3 = 3.33 is a slip.
package func arithmeticSlips(in text: String) -> [String] {
  let bytes = Array(text.utf8)
  let annotated = annotations(in: bytes)
  var prose = bytes
  for range in annotated {
    for place in range { prose[place] = UInt8(ascii: "#") }
  }
  return annotated.compactMap { annotationSlip(bytes[$0]) } + proseSlips(in: prose)
}

/// Ranges of `<<...>>`, marks included.
private func annotations(in bytes: [UInt8]) -> [Range<Int>] {
  var found: [Range<Int>] = []
  var start = 0
  while let open = firstPlace(of: Array("<<".utf8), in: bytes, from: start),
    let close = firstPlace(of: Array(">>".utf8), in: bytes, from: open.upperBound)
  {
    found.append(open.lowerBound..<close.upperBound)
    start = close.upperBound
  }
  return found
}

private func annotationSlip(_ annotation: ArraySlice<UInt8>) -> String? {
  let content = annotation.dropFirst(2).dropLast(2)
  guard let equals = content.firstIndex(of: UInt8(ascii: "=")) else { return nil }
  return disagree(content[..<equals], content[(equals + 1)...]) ? String(ascii: annotation) : nil
}

private func proseSlips(in bytes: [UInt8]) -> [String] {
  bytes.indices.filter { bytes[$0] == UInt8(ascii: "=") }.compactMap { equals in
    let left = expressionBefore(equals, in: bytes)
    let right = numberAfter(equals, in: bytes)
    guard !left.isEmpty, !right.isEmpty, hasOperator(left), disagree(left, right) else { return nil }
    return String(ascii: bytes[left.startIndex..<right.endIndex])
  }
}

/// The longest run of numbers, operators and blanks that ends at `equals`, without a list's bullet. It is
/// empty where something before it is part of the expression: a letter that touches it, `x`, `\times`, or a
/// word as an operand.
private func expressionBefore(_ equals: Int, in bytes: [UInt8]) -> ArraySlice<UInt8> {
  var start = equals
  while start > 0 && isExpressionByte(bytes[start - 1]) { start -= 1 }
  let before = bytes[..<start]
  if let last = before.last, isWordByte(last), bytes[start] != 0x20 || endsInTimes(before) { return [] }
  let run = bytes[start..<equals].drop { $0 == 0x20 }
  guard let first = run.first, "+-*/".utf8.contains(first), run.dropFirst().first == 0x20 else { return run }
  let isBullet = before.isEmpty || before.last == 0x0A
  return isBullet ? run.dropFirst().drop { $0 == 0x20 } : []
}

/// Whether the last word is a multiplication sign: `x`, `×` or another character beyond ASCII, `\times`.
private func endsInTimes(_ bytes: ArraySlice<UInt8>) -> Bool {
  guard let last = bytes.last, last < 0x80 else { return true }
  let word = bytes.reversed().prefix(while: isWordByte)
  return (word.count == 1 && last | 0x20 == UInt8(ascii: "x"))
    || bytes.dropLast(word.count).last == UInt8(ascii: "\\")
}

/// The number after `equals` and blanks; empty where it continues as a percentage, a word or an expression.
private func numberAfter(_ equals: Int, in bytes: [UInt8]) -> ArraySlice<UInt8> {
  var start = equals + 1
  while start < bytes.count && bytes[start] == 0x20 { start += 1 }
  var end = start
  if end < bytes.count && bytes[end] == UInt8(ascii: "-") { end += 1 }
  while end < bytes.count && isNumeral(bytes[end]) { end += 1 }
  // A full stop or comma at its end belongs to the sentence.
  while end > start, let last = bytes[start..<end].last,
    last == UInt8(ascii: ".") || last == UInt8(ascii: ",")
  {
    end -= 1
  }
  let next = bytes[end...].first { $0 != 0x20 }
  // An operator, or the fraction of "1 1/2".
  let isOperand = next.map { "+-*/%=^(".utf8.contains($0) || isDigit($0) } ?? false
  let isWord = end < bytes.count && isWordByte(bytes[end])
  return isOperand || isWord ? [] : bytes[start..<end]
}

/// Whether the left side has a value, the right side is a number, and they differ.
private func disagree(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Bool {
  guard !hasOperator(right), let left = value(of: left), let right = value(of: right) else { return false }
  return abs(left - right) > 1e-9 * max(1, abs(left), abs(right))
}

/// The value without thousands commas and dollar signs.
private func value(of bytes: ArraySlice<UInt8>) -> Double? {
  let plain = bytes.filter { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "$") }
  return arithmeticValue(of: String(decoding: plain, as: UTF8.self))
}

/// Whether there is an operator between two operands. A leading minus is not one.
private func hasOperator(_ bytes: ArraySlice<UInt8>) -> Bool {
  bytes.dropFirst().contains { "+-*/".utf8.contains($0) }
}

private func isNumeral(_ byte: UInt8) -> Bool { isDigit(byte) || "$.,".utf8.contains(byte) }

private func isExpressionByte(_ byte: UInt8) -> Bool { isNumeral(byte) || " +-*/()".utf8.contains(byte) }

/// Whether the byte is a letter, an underscore or part of a character beyond ASCII.
private func isWordByte(_ byte: UInt8) -> Bool {
  let lower = byte | 0x20
  return (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")) || byte == UInt8(ascii: "_")
    || byte >= 0x80
}

/// Recursive descent: sum = product (± product)*, product = factor (*/ factor)*,
/// factor = -factor | number | (sum).
private struct Expression {
  let bytes: [UInt8]
  var place = 0
  var depth = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// Whether only blanks are left.
  var isAtEnd: Bool { bytes[place...].allSatisfy { $0 == 0x20 } }

  mutating func sum() -> Double? {
    guard var total = product() else { return nil }
    while let sign = take("+-") {
      guard let term = product() else { return nil }
      total += sign == UInt8(ascii: "+") ? term : -term
    }
    return total
  }

  private mutating func product() -> Double? {
    guard var total = factor() else { return nil }
    while let sign = take("*/") {
      guard let term = factor() else { return nil }
      total = sign == UInt8(ascii: "*") ? total * term : total / term
    }
    return total
  }

  private mutating func factor() -> Double? {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 32 else { return nil }
    if take("-") != nil { return factor().map { -$0 } }
    guard take("(") != nil else { return number() }
    let inner = sum()
    return take(")") == nil ? nil : inner
  }

  private mutating func number() -> Double? {
    skipBlanks()
    let start = place
    while place < bytes.count, isDigit(bytes[place]) || bytes[place] == UInt8(ascii: ".") { place += 1 }
    let text = String(ascii: bytes[start..<place])
    // Double reads ".5" and "5." as Python does, and refuses a lone or second point.
    return text == "." ? nil : Double(text)
  }

  private mutating func skipBlanks() {
    while place < bytes.count && bytes[place] == 0x20 { place += 1 }
  }

  private mutating func take(_ choices: String) -> UInt8? {
    skipBlanks()
    guard place < bytes.count, choices.utf8.contains(bytes[place]) else { return nil }
    place += 1
    return bytes[place - 1]
  }
}
