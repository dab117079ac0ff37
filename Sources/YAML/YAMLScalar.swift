/// What a plain scalar means.
///
/// The core of YAML 1.1, except that `1e-5` is a float. Where readers of YAML disagree (`yes`, `017`,
/// `1_000`, `1:30`, `.nan`) the scalar is `ambiguous`. That is an error everywhere, since nobody can tell
/// what its author meant.
package enum YAMLScalar: Equatable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int)
  /// An integer above `Int.max`.
  case unsigned(UInt64)
  case float(Double)
  case string(String)
  case ambiguous(String)

  /// The meaning of the unquoted text `plain`.
  package init(plain: String) {
    self = Self.word(plain) ?? Self.number(plain) ?? .string(plain)
  }

  private static func word(_ text: String) -> YAMLScalar? {
    switch text {
    case "", "~", "null", "Null", "NULL": .null
    case "true", "True", "TRUE": .boolean(true)
    case "false", "False", "FALSE": .boolean(false)
    case "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF": .ambiguous(text)
    default: nil
    }
  }

  private static func number(_ text: String) -> YAMLScalar? {
    // Only ASCII is numeric. The sign plays no part in telling the kinds apart.
    let bytes = Array(text.utf8)
    let digits =
      bytes.first == UInt8(ascii: "-") || bytes.first == UInt8(ascii: "+") ? bytes.dropFirst() : bytes[...]
    guard let first = digits.first else { return nil }
    if first == UInt8(ascii: ".") {
      let word = text.drop { $0 == "-" || $0 == "+" }
      if [".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF"].contains(String(word)) { return .ambiguous(text) }
    }
    let isNumeric = digits.allSatisfy { isDigit($0) }
    if isNumeric {
      guard digits.count == 1 || first != UInt8(ascii: "0") else { return .ambiguous(text) }
      return Int(text).map(YAMLScalar.integer) ?? UInt64(text).map(YAMLScalar.unsigned)
        ?? Double(text).flatMap { $0.isFinite ? .float($0) : nil } ?? .ambiguous(text)
    }
    if isDecimal(digits) {
      guard let value = Double(text), value.isFinite else { return .ambiguous(text) }
      return .float(value)
    }
    return isNumberElsewhere(digits) ? .ambiguous(text) : nil
  }

  /// Whether it is digits with one point or an exponent or both, a digit before the exponent: `1.`, `.5`,
  /// `1e-5`, `2.5E3`.
  private static func isDecimal(_ digits: ArraySlice<UInt8>) -> Bool {
    let parts = digits.split(maxSplits: 1, omittingEmptySubsequences: false) {
      $0 | 0x20 == UInt8(ascii: "e")
    }
    guard let mantissa = parts.first else { return false }
    let halves = mantissa.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard halves.count <= 2, halves.allSatisfy({ $0.allSatisfy(isDigit) }),
      halves.contains(where: { !$0.isEmpty })
    else { return false }
    guard parts.count == 2 else { return halves.count == 2 }
    let exponent =
      parts[1].first.map { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") } == true
      ? parts[1].dropFirst() : parts[1]
    return !exponent.isEmpty && exponent.allSatisfy(isDigit)
  }

  /// Whether some reader of YAML takes it for a number: `0x1F`, `0o17`, `0b1`, `1_000`, `1:30`.
  private static func isNumberElsewhere(_ digits: ArraySlice<UInt8>) -> Bool {
    guard let first = digits.first, isDigit(first) else { return false }
    let second = digits.dropFirst().first.map { $0 | 0x20 }
    if first == UInt8(ascii: "0"), let second,
      [UInt8(ascii: "x"), UInt8(ascii: "o"), UInt8(ascii: "b")].contains(second)
    {
      return digits.dropFirst(2).allSatisfy {
        isDigit($0) || (0x61...0x66).contains($0 | 0x20) || $0 == UInt8(ascii: "_")
      }
    }
    return digits.allSatisfy { isDigit($0) || "_:.".utf8.contains($0) }
      && digits.contains { "_:".utf8.contains($0) }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
