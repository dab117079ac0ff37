/// Where `pattern` (not empty) first occurs in `bytes` from `start` on.
func firstPlace(of pattern: [UInt8], in bytes: [UInt8], from start: Int = 0) -> Range<Int>? {
  guard let head = pattern.first else { return nil }
  var place = start
  while place + pattern.count <= bytes.count {
    if bytes[place] == head, bytes[place..<place + pattern.count].elementsEqual(pattern) {
      return place..<place + pattern.count
    }
    place += 1
  }
  return nil
}

func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

extension String {
  /// A piece of a String's bytes, cut at ASCII only, so that no byte is replaced.
  init(ascii bytes: some Sequence<UInt8>) {
    self.init(decoding: Array(bytes), as: UTF8.self)
  }

  /// The text before the first place where any of `stops` begins; the whole text where none does. Empty stops
  /// are skipped. `"#### 18\n\nQuestion: If".truncated(at: ["Question:"])` is `"#### 18\n\n"`.
  package func truncated(at stops: [String]) -> String {
    let bytes = Array(utf8)
    let starts = stops.compactMap { firstPlace(of: Array($0.utf8), in: bytes)?.lowerBound }
    guard let end = starts.min() else { return self }
    return String(decoding: bytes[..<end], as: UTF8.self)
  }
}
