/// Free blocks, ordered by size and then by address, so that the same requests find the same blocks.
struct FreeList {
  struct Entry {
    var byteCount: Int
    var address: UInt64
    var index: Int

    func precedes(_ other: Entry) -> Bool { (byteCount, address) < (other.byteCount, other.address) }
  }

  private var entries: [Entry] = []

  mutating func insert(_ entry: Entry) { entries.insert(entry, at: position(of: entry)) }

  mutating func remove(_ entry: Entry) {
    let position = position(of: entry)
    precondition(entries[position].index == entry.index, "BlockTable: a free block is not in its list")
    entries.remove(at: position)
  }

  /// Removes the smallest block that holds `byteCount`.  - Returns: its index.
  mutating func removeBest(_ byteCount: Int) -> Int? {
    let position = position(of: Entry(byteCount: byteCount, address: 0, index: 0))
    return position < entries.count ? entries.remove(at: position).index : nil
  }

  /// The first position whose entry does not precede `entry`.
  private func position(of entry: Entry) -> Int {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].precedes(entry) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
