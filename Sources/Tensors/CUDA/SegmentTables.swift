/// The segments of a batch on the device, and the tiles made of them.
final class SegmentTables {
  /// Four int32 for each segment.
  let segments: DeviceTables.Table
  let count: Int
  /// Keys of the longest segment, and whether each segment has one query.
  let longest: Int, isDecoding: Bool
  /// Keys of all segments.
  let keyCount: Int
  private let list: [AttentionSegment]
  private let tables: DeviceTables
  private var tiles: [[Int]: (table: DeviceTables.Table, count: Int)] = [:]

  init(_ list: [AttentionSegment], _ tables: DeviceTables) {
    self.tables = tables
    self.list = list
    segments = tables.made(list.flatMap(\.numbers))
    count = list.count
    longest = list.map(\.keyCount).max() ?? 0
    keyCount = list.reduce(0) { $0 + $1.keyCount }
    isDecoding = !list.isEmpty && list.allSatisfy { $0.queryCount == 1 }
  }

  /// Tiles of `height` rows each, with G rows for each query.
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
