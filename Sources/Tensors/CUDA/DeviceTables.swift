/// Small tables in device memory that calls need again and again: each is uploaded once and kept.
final class DeviceTables {
  /// An array on the device.
  final class Table {
    let lease: CUDALease
    var address: UInt64 { lease.block.address }

    init<Element: BitwiseCopyable>(_ elements: [Element], _ device: CUDADevice, _ memory: CUDAMemory) {
      lease = CUDALease(memory, max(1, elements.count * MemoryLayout<Element>.stride))
      device.upload(elements, to: lease.block.address)
    }
  }

  private let device: CUDADevice
  private let memory: CUDAMemory
  private var frequencies: [(key: RotaryTable, table: Table)] = []
  private var segments: [(key: [AttentionSegment], tables: SegmentTables)] = []
  /// Batches whose segments are kept: layers of one pass share theirs.
  private static let keptSegments = 4

  init(_ device: CUDADevice, _ memory: CUDAMemory) {
    self.device = device
    self.memory = memory
  }

  func made<Element: BitwiseCopyable>(_ elements: [Element]) -> Table { Table(elements, device, memory) }

  /// Inverse frequencies, float32 [H / 2].
  func frequencies(_ rotary: RotaryTable) -> UInt64 {
    if let known = frequencies.first(where: { $0.key == rotary }) { return known.table.address }
    let table = made(rotary.inverseFrequencies)
    frequencies.append((rotary, table))
    return table.address
  }

  /// The segments of a batch, and what attention makes of them.
  func segments(_ list: [AttentionSegment]) -> SegmentTables {
    if let known = segments.first(where: { $0.key == list }) { return known.tables }
    let tables = SegmentTables(list, self)
    segments.append((list, tables))
    if segments.count > Self.keptSegments { segments.removeFirst() }
    return tables
  }
}

/// The segments of a batch on the device, and tiles of them.
final class SegmentTables {
  /// Segment [count], four int32 each.
  let segments: DeviceTables.Table
  let count: Int
  /// Keys of the longest segment, and whether each has one query.
  let longest: Int, isDecoding: Bool
  /// Keys of all segments.
  let keyCount: Int
  private let list: [AttentionSegment]
  private let tables: DeviceTables
  private var tiles: [[Int]: (table: DeviceTables.Table, count: Int)] = [:]

  fileprivate init(_ list: [AttentionSegment], _ tables: DeviceTables) {
    self.tables = tables
    self.list = list
    segments = tables.made(list.flatMap(\.numbers))
    count = list.count
    longest = list.map(\.keyCount).max() ?? 0
    keyCount = list.reduce(0) { $0 + $1.keyCount }
    isDecoding = !list.isEmpty && list.allSatisfy { $0.queryCount == 1 }
  }

  /// Tiles of `height` rows each, G rows a query.
  func queryTiles(groupSize: Int, height: Int) -> (address: UInt64, count: Int) {
    uploaded([groupSize, height]) {
      AttentionTile.ofQueries(list, groupSize: groupSize, height: height)
    }
  }

  /// Tiles of `height` keys each.
  func keyTiles(height: Int) -> (address: UInt64, count: Int) {
    uploaded([height]) { AttentionTile.ofKeys(list, height: height) }
  }

  private func uploaded(_ key: [Int], _ make: () -> [AttentionTile]) -> (address: UInt64, count: Int) {
    if let known = tiles[key] { return (known.table.address, known.count) }
    let list = make()
    let table = tables.made(list)
    tiles[key] = (table, list.count)
    return (table.address, list.count)
  }
}
