/// A run of rows, or of keys, of one segment: the work of one block in attention. Kernels read it as Tile of
/// attention.cuh.
package struct AttentionTile: BitwiseCopyable, Equatable {
  /// Number of the segment, and the first of its rows or keys.
  package var segment: Int32, start: Int32

  /// Tiles of `height` rows of the segments, with G rows for each query. Those that see the most keys come
  /// first.
  package static func ofQueries(
    _ segments: [AttentionSegment], groupSize: Int, height: Int
  ) -> [AttentionTile] {
    longestFirst(segments, height: height, length: { $0.queryCount * groupSize }) { segment, start in
      let last = min(start + height, segment.queryCount * groupSize) - 1
      return segment.keyCount - segment.queryCount + last / groupSize + 1
    }
  }

  /// Tiles of `height` keys of the segments. Those that the most queries see come first.
  package static func ofKeys(_ segments: [AttentionSegment], height: Int) -> [AttentionTile] {
    longestFirst(segments, height: height, length: \.keyCount) { segment, start in
      min(segment.queryCount, segment.keyCount - start)
    }
  }

  /// Sorts tiles by their work, the longest first; tiles of equal work keep the order of the batch.
  ///
  /// Blocks start in the order of the tiles. The short ones start last, so all multiprocessors end at nearly
  /// the same time. A window bounds the work, but the order stays right.
  private static func longestFirst(
    _ segments: [AttentionSegment], height: Int, length: (AttentionSegment) -> Int,
    work: (AttentionSegment, Int) -> Int
  ) -> [AttentionTile] {
    var tiles: [(work: Int, tile: AttentionTile)] = []
    for (index, segment) in segments.enumerated() {
      for start in stride(from: 0, to: length(segment), by: height) {
        tiles.append((work(segment, start), AttentionTile(segment: Int32(index), start: Int32(start))))
      }
    }
    return tiles.sorted {
      ($1.work, $0.tile.segment, $0.tile.start) < ($0.work, $1.tile.segment, $1.tile.start)
    }.map(\.tile)
  }
}
