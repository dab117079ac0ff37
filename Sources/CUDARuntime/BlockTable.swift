/// Blocks of device memory, in use and free. Each is a part of a segment, which was allocated from the device
/// in one piece. Neighbours know each other, so that free ones are joined again.
///
/// A pool is a set of segments whose blocks go to one user only. Pool 0 is for everyone, and each other pool
/// is for one captured graph.
struct BlockTable {
  /// A part of a segment.
  struct Block {
    var address: UInt64
    var byteCount: Int
    var pool: Int
    /// Small blocks have segments of their own, so that they do not cut up the large ones.
    var isSmall: Bool
    var isFree: Bool
    /// Neighbours in the segment, as indices.
    var previous: Int?, next: Int?

    /// Whether the block is a whole segment, which can go back to the device when it is free.
    var isWholeSegment: Bool { previous == nil && next == nil }
  }

  private(set) var blocks: [Block] = []
  /// Indices of entries that are no longer blocks.
  private var unused: [Int] = []
  private var freeLists: [ListKey: FreeList] = [:]

  private struct ListKey: Hashable {
    var pool: Int
    var isSmall: Bool
  }

  /// Adds a segment that is one free block.
  mutating func addSegment(_ address: UInt64, _ byteCount: Int, pool: Int, isSmall: Bool) {
    setFree(
      add(Block(address: address, byteCount: byteCount, pool: pool, isSmall: isSmall, isFree: false)))
  }

  /// Takes the smallest free block that holds `byteCount` bytes. It is cut if at least `smallestRest` bytes
  /// are left.
  /// - Returns: the block's index. The block is in use from now on.
  mutating func take(_ byteCount: Int, pool: Int, isSmall: Bool, smallestRest: Int) -> Int? {
    let key = ListKey(pool: pool, isSmall: isSmall)
    guard let index = freeLists[key]?.removeBest(byteCount) else { return nil }
    blocks[index].isFree = false
    let rest = blocks[index].byteCount - byteCount
    if rest >= smallestRest { cut(index, at: byteCount) }
    return index
  }

  /// Frees a block and joins it with free neighbours.
  mutating func free(_ index: Int) {
    precondition(!blocks[index].isFree, "CUDAMemory.takeBack: a block that is not in use")
    var index = index
    if let previous = blocks[index].previous, blocks[previous].isFree {
      removeFromList(previous)
      join(previous, index)
      index = previous
    }
    if let next = blocks[index].next, blocks[next].isFree {
      removeFromList(next)
      join(index, next)
    }
    setFree(index)
  }

  /// Removes the free blocks of a pool that are whole segments.  - Returns: their addresses and sizes.
  mutating func removeFreeSegments(pool: Int) -> [(address: UInt64, byteCount: Int)] {
    let whole = blocks.indices.filter {
      blocks[$0].isFree && blocks[$0].isWholeSegment && blocks[$0].pool == pool
    }
    return whole.map { index in
      removeFromList(index)
      remove(index)
      return (blocks[index].address, blocks[index].byteCount)
    }
  }

  /// Gives all segments of a pool to pool 0.
  mutating func dissolve(pool: Int) {
    for index in blocks.indices where blocks[index].pool == pool {
      if blocks[index].isFree { removeFromList(index) }
      blocks[index].pool = 0
      if blocks[index].isFree { setFree(index) }
    }
    freeLists[ListKey(pool: pool, isSmall: true)] = nil
    freeLists[ListKey(pool: pool, isSmall: false)] = nil
  }

  /// Addresses of all segments.
  var segmentAddresses: [UInt64] {
    let gone = Set(unused)
    let first = blocks.indices.filter { blocks[$0].previous == nil && !gone.contains($0) }
    return first.map { blocks[$0].address }
  }

  // MARK: - Parts

  private mutating func add(_ block: Block) -> Int {
    guard let index = unused.popLast() else {
      blocks.append(block)
      return blocks.count - 1
    }
    blocks[index] = block
    return index
  }

  /// Marks an entry as unused: it is neither free nor in a pool.
  private mutating func remove(_ index: Int) {
    blocks[index].isFree = false
    blocks[index].pool = -1
    unused.append(index)
  }

  private mutating func cut(_ index: Int, at byteCount: Int) {
    var rest = blocks[index]
    rest.address += UInt64(byteCount)
    rest.byteCount -= byteCount
    rest.previous = index
    let restIndex = add(rest)
    if let next = rest.next { blocks[next].previous = restIndex }
    blocks[index].byteCount = byteCount
    blocks[index].next = restIndex
    setFree(restIndex)
  }

  private mutating func join(_ left: Int, _ right: Int) {
    blocks[left].byteCount += blocks[right].byteCount
    blocks[left].next = blocks[right].next
    if let next = blocks[right].next { blocks[next].previous = left }
    remove(right)
  }

  private mutating func setFree(_ index: Int) {
    blocks[index].isFree = true
    let block = blocks[index]
    freeLists[ListKey(pool: block.pool, isSmall: block.isSmall), default: FreeList()]
      .insert(FreeList.Entry(byteCount: block.byteCount, address: block.address, index: index))
  }

  private mutating func removeFromList(_ index: Int) {
    let block = blocks[index]
    freeLists[ListKey(pool: block.pool, isSmall: block.isSmall)]?
      .remove(FreeList.Entry(byteCount: block.byteCount, address: block.address, index: index))
  }
}
