import Files

/// A hash of a byte string. That of a concatenation follows from the hashes of its parts.
struct PieceHash {
  /// Σ byte · base^(bytes after it), modulo 2^64.
  let sum: UInt64
  /// base^length, modulo 2^64.
  let power: UInt64

  private static let base: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// The hash of `bytes`.
  @inline(__always)
  init(_ bytes: some Sequence<UInt8>) {
    var sum: UInt64 = 0
    var power: UInt64 = 1
    for byte in bytes {
      // 1 is added so that leading zero bytes count.
      sum = sum &* Self.base &+ UInt64(byte) &+ 1
      power = power &* Self.base
    }
    self.init(sum: sum, power: power)
  }

  @inline(__always)
  private init(sum: UInt64, power: UInt64) {
    self.sum = sum
    self.power = power
  }

  /// The hash of these bytes followed by those of `next`.
  @inline(__always)
  func followed(by next: PieceHash) -> PieceHash {
    PieceHash(sum: sum &* next.power &+ next.sum, power: power &* next.power)
  }

  /// The sum with its bits mixed, which picks a slot.
  @inline(__always)
  var mixed: UInt64 {
    let product = (sum ^ sum >> 32) &* 0xD6E8_FEB8_6659_FD93
    return product ^ product >> 32
  }
}

/// Ids by the text of their pieces: an open-addressing table. It compares bytes, so that a collision of
/// hashes costs time and never gives a wrong id.
struct PieceTable: Sendable {
  private struct Slot {
    /// High half of the mixed hash.
    var tag: UInt32 = 0
    /// Id of the piece; -1 when the slot is free.
    var id: Int32 = -1
  }

  private var slots: [Slot]
  private let mask: Int

  /// A table of all pieces of `model`.
  /// - Throws: `Fault` `.badData` naming a piece that occurs twice.
  init(_ model: SentencePieceModel) throws {
    var capacity = 1
    while capacity < model.count * 2 { capacity *= 2 }
    slots = Array(repeating: Slot(), count: capacity)
    mask = capacity - 1
    for id in 0..<model.count {
      let piece = model.piece(id)
      let hash = PieceHash(piece).mixed
      if let first = piece.withUnsafeBufferPointer({ find(hash, $0, in: model) }) {
        throw model.fault(piece: id, "stands twice; expected only piece \(first)")
      }
      var index = Int(truncatingIfNeeded: hash) & mask
      while slots[index].id >= 0 { index = (index + 1) & mask }
      slots[index] = Slot(tag: UInt32(truncatingIfNeeded: hash >> 32), id: Int32(id))
    }
  }

  /// The id of the piece with the text `bytes`, whose mixed hash is `hash`.
  @inline(__always)
  func find(_ hash: UInt64, _ bytes: UnsafeBufferPointer<UInt8>, in model: SentencePieceModel) -> Int32? {
    let tag = UInt32(truncatingIfNeeded: hash >> 32)
    var index = Int(truncatingIfNeeded: hash) & mask
    while true {
      let slot = slots[index]
      if slot.id < 0 { return nil }
      if slot.tag == tag, model.piece(Int(slot.id)).elementsEqual(bytes) { return slot.id }
      index = (index + 1) & mask
    }
  }
}

/// A byte-wise trie of the user-defined pieces, for the longest match at a position.
struct UserDefinedTrie: Sendable {
  private struct Node {
    let byte: UInt8
    /// Id of the piece that ends here; -1 for none.
    var id: Int32 = -1
    var firstChild: Int32 = -1
    var nextSibling: Int32 = -1
  }

  /// The root's children by byte; -1 for none.
  private var roots = [Int32](repeating: -1, count: 256)
  private var nodes: [Node] = []

  /// A trie of the user-defined pieces of `model`.
  init(_ model: SentencePieceModel) {
    for id in 0..<model.count where model.kinds[id] == .userDefined {
      var node: Int32 = -1
      for byte in model.piece(id) { node = child(of: node, byte) ?? addChild(of: node, byte) }
      nodes[Int(node)].id = Int32(id)
    }
  }

  /// The id and length of the longest user-defined piece in `bytes` at `start`.
  @inline(__always)
  func longestMatch(_ bytes: [UInt8], at start: Int) -> (id: Int32, length: Int)? {
    var node = roots[Int(bytes[start])]
    var best: (id: Int32, length: Int)?
    var position = start + 1
    while node >= 0 {
      if nodes[Int(node)].id >= 0 { best = (nodes[Int(node)].id, position - start) }
      guard position < bytes.count else { break }
      node = child(of: node, bytes[position]) ?? -1
      position += 1
    }
    return best
  }

  @inline(__always)
  private func child(of node: Int32, _ byte: UInt8) -> Int32? {
    if node < 0 { return roots[Int(byte)] < 0 ? nil : roots[Int(byte)] }
    var child = nodes[Int(node)].firstChild
    while child >= 0 {
      if nodes[Int(child)].byte == byte { return child }
      child = nodes[Int(child)].nextSibling
    }
    return nil
  }

  private mutating func addChild(of node: Int32, _ byte: UInt8) -> Int32 {
    let child = Int32(nodes.count)
    var added = Node(byte: byte)
    if node < 0 {
      roots[Int(byte)] = child
    } else {
      added.nextSibling = nodes[Int(node)].firstChild
      nodes[Int(node)].firstChild = child
    }
    nodes.append(added)
    return child
  }
}
