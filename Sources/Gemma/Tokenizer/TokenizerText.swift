extension RandomAccessCollection where Element == UInt8, Index == Int {
  /// Number of bytes of the Unicode scalar encoded at `index`; nil when it is malformed (cut, overlong, a
  /// surrogate or too large).
  @inline(__always)
  func scalarLength(at index: Int) -> Int? {
    let first = self[index]
    if first < 0x80 { return 1 }
    let left = endIndex - index
    func isTrail(_ offset: Int) -> Bool { self[index + offset] & 0xC0 == 0x80 }
    switch first {
    case 0xC2...0xDF: return left >= 2 && isTrail(1) ? 2 : nil
    case 0xE0...0xEF:
      guard left >= 3, isTrail(1), isTrail(2) else { return nil }
      let second = self[index + 1]
      return (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ? nil : 3
    case 0xF0...0xF4:
      guard left >= 4, isTrail(1), isTrail(2), isTrail(3) else { return nil }
      let second = self[index + 1]
      return (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F) ? nil : 4
    default: return nil
    }
  }

  /// Whether these bytes are well-formed UTF-8.
  var utf8IsValid: Bool {
    var index = startIndex
    while index < endIndex {
      guard let length = scalarLength(at: index) else { return false }
      index += length
    }
    return true
  }
}

/// UTF-8 of U+2581, which stands for a blank in pieces.
let blankMark: [UInt8] = [0xE2, 0x96, 0x81]
