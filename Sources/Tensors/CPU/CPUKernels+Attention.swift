import CKernels

/// The attention of one group in one segment. A group is the query heads that share a key/value head.
///
/// The heads of a query tile are rows of one matrix: row r · G + g is head g of query r, for G heads in a
/// group.
struct AttentionGroup {
  let shape: AttentionShape
  let segment: AttentionSegment
  /// Key/value head, in 0 ..< K.
  let head: Int

  /// G: number of query heads that share a key/value head.
  var groupSize: Int { shape.groupSize }
  /// Queries of one tile: enough to make 128 rows, so that a matrix product is worth its call.
  var tileHeight: Int { max(1, 128 / groupSize) }
  /// Runs of the segment's queries.
  var tiles: [Range<Int>] {
    stride(from: 0, to: segment.queryCount, by: tileHeight).map {
      $0..<min($0 + tileHeight, segment.queryCount)
    }
  }

  /// Keys of the segment that one of its queries sees.
  func visibleKeys(_ query: Int) -> Range<Int> {
    let position = query + segment.keyCount - segment.queryCount
    let first = shape.window.map { max(0, position - $0 + 1) } ?? 0
    return first..<position + 1
  }

  /// Keys that any query of the tile sees.
  func visibleKeys(tile: Range<Int>) -> Range<Int> {
    visibleKeys(tile.lowerBound).lowerBound..<visibleKeys(tile.upperBound - 1).upperBound
  }

  /// The scores of one query in a tile whose columns are `keys`.
  func row(_ query: Int, keys: Range<Int>) -> ck_attention_row {
    let visible = visibleKeys(query)
    return ck_attention_row(
      count: keys.count, first: visible.lowerBound - keys.lowerBound,
      last: visible.upperBound - keys.lowerBound, scale: shape.scale, cap: shape.softCap ?? 0)
  }

  /// First byte of this group's heads in a row of q, o or their gradients.
  func queryBytes(_ tensor: Tensor, _ query: Int) -> UnsafeMutableRawPointer {
    let element = (segment.queryStart + query) * tensor.rowLength + head * groupSize * shape.headDim
    return tensor.bytes + element * tensor.dtype.byteCount
  }

  /// First byte of this head in a row of k, v or their gradients.
  func keyBytes(_ tensor: Tensor, _ key: Int) -> UnsafeMutableRawPointer {
    let element = (segment.keyStart + key) * tensor.rowLength + head * shape.headDim
    return tensor.bytes + element * tensor.dtype.byteCount
  }

  /// Index of the first of this group's heads in a row of the log-sum-exp.
  func logSumExpIndex(_ query: Int) -> Int {
    (segment.queryStart + query) * shape.headCount + head * groupSize
  }

  /// The group's queries of a tile, widened: [rows · G, H].
  func loadQueries(_ tensor: Tensor, _ tile: Range<Int>, _ target: UnsafeMutablePointer<Float>) {
    let width = groupSize * shape.headDim
    for (row, query) in tile.enumerated() {
      load(queryBytes(tensor, query), tensor.dtype, target + row * width, width)
    }
  }

  /// This head of some keys or values, widened: [keys, H].
  func loadKeys(_ tensor: Tensor, _ keys: Range<Int>, _ target: UnsafeMutablePointer<Float>) {
    for (row, key) in keys.enumerated() {
      load(keyBytes(tensor, key), tensor.dtype, target + row * shape.headDim, shape.headDim)
    }
  }

  private func load(
    _ source: UnsafeRawPointer, _ dtype: DType, _ target: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    ck_convert(source, dtype.elementType, 1, target, Int32(CK_FLOAT32), count)
  }
}

extension CPUKernels {
  package func attentionForward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape, segments: [AttentionSegment]
  ) -> (o: Tensor, logSumExp: Tensor) {
    Requirements.attentionForward(q, k, v, shape, segments)
    let o = Tensor(uninitialized: q.shape, q.dtype)
    let logSumExp = Tensor(uninitialized: [q.rowCount, shape.headCount], .float32)
    let inPairs = attendsInPairs(q, shape)
    if inPairs { attendInPairs(q, k, v, shape, segments, o, logSumExp) }
    let groups = attentionGroups(shape, segments).filter { !inPairs || $0.segment.queryCount == 1 }
    let work = groups.flatMap { group in group.tiles.map { (group, $0) } }
    parallel(work.count) { item in
      let (group, tile) = work[item]
      if group.segment.queryCount == 1 {
        decode(group, q, k, v, o, logSumExp)
      } else {
        attend(group, tile, q, k, v, o, logSumExp)
      }
    }
    return (o, logSumExp)
  }

  /// See `Kernels.attentionDecode`.
  package func attentionDecode(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape, segments: Tensor, longest: Int
  ) -> Tensor {
    Requirements.attentionDecode(q, k, v, shape, segments: segments)
    let numbers = segments.ints.map(Int.init)
    let list = stride(from: 0, to: numbers.count, by: 4).map {
      AttentionSegment(
        queryStart: numbers[$0], queryCount: numbers[$0 + 1], keyStart: numbers[$0 + 2],
        keyCount: numbers[$0 + 3])
    }
    return attentionForward(q, k, v, shape, segments: list).o
  }

  /// A group for each segment and key/value head.
  func attentionGroups(_ shape: AttentionShape, _ segments: [AttentionSegment]) -> [AttentionGroup] {
    segments.flatMap { segment in
      (0..<shape.keyValueHeadCount).map { AttentionGroup(shape: shape, segment: segment, head: $0) }
    }
  }

  /// One tile of queries: scores of the visible keys, their soft-max, and the sum of the values.
  private func attend(
    _ group: AttentionGroup, _ tile: Range<Int>, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ o: Tensor,
    _ logSumExp: Tensor
  ) {
    let keys = group.visibleKeys(tile: tile)
    let (groupSize, width) = (group.groupSize, group.shape.headDim)
    let rows = tile.count * groupSize
    let queries = Tensor(uninitialized: [rows, width], .float32)
    let panel = Tensor(uninitialized: [keys.count, width], .float32)
    let scores = Tensor(uninitialized: [rows, keys.count], .float32)
    group.loadQueries(q, tile, queries.float32)
    group.loadKeys(k, keys, panel.float32)
    product(.stored(queries), .transposed(panel), .replacing, scores)
    // 1 / sum of each row's e^(score - max): applied to the output, which is shorter than the row.
    let factors = Tensor(uninitialized: [rows], .float32)
    for (row, query) in tile.enumerated() {
      for head in 0..<groupSize {
        let line = row * groupSize + head
        factors.float32[line] = ck_attention_softmax(
          group.row(query, keys: keys), scores.float32 + line * keys.count,
          logSumExp.float32 + group.logSumExpIndex(query) + head)
      }
    }
    group.loadKeys(v, keys, panel.float32)
    product(.stored(scores), .stored(panel), .replacing, queries)
    for (row, query) in tile.enumerated() {
      for head in 0..<groupSize {
        let line = row * groupSize + head
        ck_convert(
          queries.float32 + line * width, Int32(CK_FLOAT32), factors.float32[line],
          group.queryBytes(o, query) + head * width * o.dtype.byteCount, o.dtype.elementType, width)
      }
    }
  }

  /// A segment of one query: bound by reading the cache, which is read where it lies.
  private func decode(
    _ group: AttentionGroup, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ o: Tensor, _ logSumExp: Tensor
  ) {
    let keys = group.visibleKeys(0)
    let width = group.shape.headDim
    let cache = ck_attention_cache(
      type: k.dtype.elementType, keys: group.keyBytes(k, 0), values: group.keyBytes(v, 0),
      stride: k.rowLength,
      first: keys.lowerBound, last: keys.upperBound, heads: group.groupSize, width: width,
      scale: group.shape.scale, cap: group.shape.softCap ?? 0)
    let rows = Tensor(uninitialized: [2, group.groupSize * width], .float32)
    let scratch = Tensor(uninitialized: [group.groupSize, keys.count + 1], .float32)
    group.loadQueries(q, 0..<1, rows.float32)
    let output = rows.float32 + rows.rowLength
    ck_attention_decode(
      cache, rows.float32, scratch.float32, output, logSumExp.float32 + group.logSumExpIndex(0))
    ck_convert(output, Int32(CK_FLOAT32), 1, group.queryBytes(o, 0), o.dtype.elementType, rows.rowLength)
  }

  /// c = op(a) · op(b), or that added to c, of float32 matrices, on this thread.
  func product(_ a: Operand, _ b: Operand, _ store: Store, _ c: Tensor) {
    let size = ProductSize(rows: c.shape[0], columns: c.shape[1], inner: a.columnCount)
    size.multiply(Panel(a), Panel(b), 1, store, c.float32, stride: c.shape[1])
  }
}
