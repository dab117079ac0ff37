import Tensors
import Testing

@Suite struct AttentionTileTests {
  /// 5, 12 and 5 tokens. The last 5 stand at the end of 9 keys.
  private let segments: [AttentionSegment] = [
    .init(queryStart: 0, queryCount: 5, keyStart: 0, keyCount: 5),
    .init(queryStart: 5, queryCount: 12, keyStart: 5, keyCount: 12),
    .init(queryStart: 17, queryCount: 5, keyStart: 17, keyCount: 9),
  ]

  private func places(_ tiles: [AttentionTile]) -> [[Int]] { tiles.map { [Int($0.segment), Int($0.start)] } }

  @Test func tilesOfQueriesBeginWithThoseThatSeeTheMostKeys() {
    // Eight rows are four queries of two heads. Keys that the tiles see: 12, 9, 8, 8, 5, 4, 4.
    #expect(
      places(AttentionTile.ofQueries(segments, groupSize: 2, height: 8))
        == [[1, 16], [2, 8], [1, 8], [2, 0], [0, 8], [0, 0], [1, 0]])
  }

  @Test func tilesOfKeysBeginWithThoseThatTheMostQueriesSee() {
    // Queries that see the tiles: 12, 8, 5, 5, 5, 4, 1, 1.
    #expect(
      places(AttentionTile.ofKeys(segments, height: 4))
        == [[1, 0], [1, 4], [0, 0], [2, 0], [2, 4], [1, 8], [0, 4], [2, 8]])
  }

  @Test func emptySegmentsHaveNoTiles() {
    let empty = [AttentionSegment(queryStart: 0, queryCount: 0, keyStart: 0, keyCount: 0)]
    #expect(AttentionTile.ofQueries(empty, groupSize: 4, height: 64).isEmpty)
    #expect(AttentionTile.ofKeys(empty, height: 64).isEmpty)
    #expect(AttentionTile.ofQueries([], groupSize: 4, height: 64).isEmpty)
  }
}
