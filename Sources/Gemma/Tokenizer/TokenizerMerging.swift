/// A heap of adjacent symbol pairs: the highest score first, the leftmost on ties.
private struct PairHeap {
  struct Pair {
    /// High half: the score as an unsigned number of the same order. Low half: ~ the left symbol.
    let key: UInt64
    /// Bytes of both symbols when the pair was found. The pair is stale once they no longer add up to this.
    let length: Int32
    /// Id of the merged piece.
    let id: Int32

    @inline(__always)
    init(score: Float, left: Int, length: Int32, id: Int32) {
      // Maps finite floats to unsigned numbers of the same order: the sign bit of positive ones is flipped,
      // and all bits of negative ones.
      let bits = score.bitPattern
      let ordered = bits >> 31 == 0 ? bits | 0x8000_0000 : ~bits
      key = UInt64(ordered) << 32 | UInt64(~UInt32(truncatingIfNeeded: left))
      self.length = length
      self.id = id
    }

    var left: Int { Int(~UInt32(truncatingIfNeeded: key)) }
  }

  private var pairs: [Pair] = []

  mutating func reserve(_ count: Int) { pairs.reserveCapacity(count) }

  mutating func push(_ pair: Pair) {
    var index = pairs.count
    pairs.append(pair)
    while index > 0, pairs[(index - 1) / 2].key < pair.key {
      pairs[index] = pairs[(index - 1) / 2]
      index = (index - 1) / 2
    }
    pairs[index] = pair
  }

  mutating func pop() -> Pair? {
    guard let last = pairs.popLast() else { return nil }
    guard let top = pairs.first else { return last }
    var index = 0
    while true {
      var child = 2 * index + 1
      guard child < pairs.count else { break }
      if child + 1 < pairs.count, pairs[child + 1].key > pairs[child].key { child += 1 }
      guard pairs[child].key > last.key else { break }
      pairs[index] = pairs[child]
      index = child
    }
    pairs[index] = last
    return top
  }
}

/// The symbols of one text while its adjacent pairs are merged.
struct Merging {
  private struct Symbol {
    let start: Int32
    /// Bytes of the symbol; 0 once it is merged into the one before.
    var length: Int32
    var previous: Int32
    var next: Int32
    /// Id of its piece; -1 for a code point without one.
    var id: Int32
    /// Whether the symbol is a user-defined piece, which is never merged.
    let isFrozen: Bool
    var hash: PieceHash
  }

  private let model: SentencePieceModel
  private let table: PieceTable
  /// UTF-8 of the text, with blanks as U+2581.
  private let text: [UInt8]
  private var symbols: [Symbol] = []
  private var heap = PairHeap()

  /// Splits `text` into user-defined pieces, the longest first, and code points.
  init(_ text: [UInt8], model: SentencePieceModel, table: PieceTable, userDefined: UserDefinedTrie) {
    precondition(
      text.count < Int(Int32.max), "Tokenizer.encode: text of \(text.count) bytes; the limit is 2 GiB")
    self.model = model
    self.table = table
    self.text = text
    symbols.reserveCapacity(text.count)
    var start = 0
    while start < text.count {
      let match = userDefined.longestMatch(text, at: start)
      // The text comes from a String, so it is well-formed and the fallback of 1 is never taken.
      let length = match?.length ?? text.scalarLength(at: start) ?? 1
      let hash = PieceHash(text[start..<start + length])
      symbols.append(
        Symbol(
          start: Int32(start), length: Int32(length), previous: Int32(symbols.count) - 1,
          next: Int32(symbols.count) + 1, id: match?.id ?? find(hash, start, length) ?? -1,
          isFrozen: match != nil, hash: hash))
      start += length
    }
    if !symbols.isEmpty { symbols[symbols.count - 1].next = -1 }
  }

  /// Merges adjacent pairs until no pair makes a piece: the highest score first, the leftmost on ties.
  mutating func run() {
    heap.reserve(symbols.count)
    for right in symbols.indices.dropFirst() { consider(right - 1, right) }
    while let pair = heap.pop() {
      let left = pair.left
      let right = Int(symbols[left].next)
      // A merged symbol only grows, so equal lengths mean that neither has changed.
      guard symbols[left].length > 0, right >= 0,
        symbols[left].length + symbols[right].length == pair.length
      else { continue }
      merge(left, right, into: pair.id)
      if symbols[left].previous >= 0 { consider(Int(symbols[left].previous), left) }
      if symbols[left].next >= 0 { consider(left, Int(symbols[left].next)) }
    }
  }

  /// Ids from left to right. A code point without a piece becomes the pieces of its bytes.
  func ids() -> [Int32] {
    var ids: [Int32] = []
    ids.reserveCapacity(symbols.count / 2)
    for symbol in symbols where symbol.length > 0 {
      if symbol.id >= 0 && symbol.id != model.unknownId {
        ids.append(symbol.id)
      } else {
        let range = Int(symbol.start)..<Int(symbol.start + symbol.length)
        ids += text[range].lazy.map { model.byteIds[Int($0)] }
      }
    }
    return ids
  }

  private mutating func merge(_ left: Int, _ right: Int, into id: Int32) {
    let next = symbols[right].next
    symbols[left].hash = symbols[left].hash.followed(by: symbols[right].hash)
    symbols[left].length += symbols[right].length
    symbols[left].next = next
    symbols[left].id = id
    symbols[right].length = 0
    if next >= 0 { symbols[Int(next)].previous = Int32(left) }
  }

  /// Puts the pair on the heap if a piece stands for it.
  @inline(__always)
  private mutating func consider(_ left: Int, _ right: Int) {
    let (first, second) = (symbols[left], symbols[right])
    if first.isFrozen || second.isFrozen { return }
    let length = first.length + second.length
    guard Int(length) <= SentencePieceModel.pieceLimit,
      let id = find(first.hash.followed(by: second.hash), Int(first.start), Int(length))
    else { return }
    // Control, unknown and byte pieces are never made from text.
    let kind = model.kinds[Int(id)]
    guard kind == .normal || kind == .userDefined else { return }
    heap.push(.init(score: model.scores[Int(id)], left: left, length: length, id: id))
  }

  @inline(__always)
  private func find(_ hash: PieceHash, _ start: Int, _ length: Int) -> Int32? {
    text.withUnsafeBufferPointer { bytes in
      table.find(hash.mixed, UnsafeBufferPointer(rebasing: bytes[start..<start + length]), in: model)
    }
  }
}
