import CKernels

// Attention by products of bfloat16 pairs (VDPBF16PS). ck_product_bf16.h explains lines and panels. The keys
// and values of a sequence are packed once for all its queries. One call computes scores, soft-max and sums
// of a tile of queries, 14 rows at a time, over the keys that those rows see.
extension CPUKernels {
  /// True where attention multiplies bfloat16 pairs. Heads must fill whole right panels, as those of all
  /// published Gemma models do.
  func attendsInPairs(_ q: Tensor, _ shape: AttentionShape) -> Bool {
    hasPairProducts && q.dtype == .bfloat16 && shape.headDim % Int(CK_RIGHT_LINES) == 0
  }

  /// Writes o and log-sum-exp of all segments that have more than one query.
  func attendInPairs(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape, _ segments: [AttentionSegment],
    _ o: Tensor, _ logSumExp: Tensor
  ) {
    let groups = attentionGroups(shape, segments).filter { $0.segment.queryCount > 1 }
    var starts = [0]
    for group in groups {
      starts.append(starts[starts.count - 1] + group.keyPanelSize + group.columnPanelSize)
    }
    withScratch16(starts[groups.count]) { panels in
      parallel(groups.count) { index in
        let keys = panels + starts[index]
        groups[index].packKeys(k, .rows, into: keys)
        groups[index].packKeys(v, .columns, into: keys + groups[index].keyPanelSize)
      }
      let work = groups.indices.flatMap { index in groups[index].pairTiles.map { (index, $0) } }
      parallel(work.count) { item in
        let (index, queries) = work[item]
        groups[index].attend(queries, q, panels + starts[index], o, logSumExp)
      }
    }
  }

  /// The gradients of all segments. One group is one task: the sums over its queries stay in one thread, in
  /// order.
  func attentionBackwardInPairs(
    _ dO: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, logSumExp: Tensor, _ shape: AttentionShape,
    _ segments: [AttentionSegment]
  ) -> (dQ: Tensor, dK: Tensor, dV: Tensor) {
    let dQ = Tensor(uninitialized: q.shape, q.dtype)
    let dK = Tensor(zeros: k.shape, k.dtype)
    let dV = Tensor(zeros: v.shape, v.dtype)
    // The longest segments come first, so that workers end together.
    let groups = attentionGroups(shape, segments).sorted { $0.segment.keyCount > $1.segment.keyCount }
    parallel(groups.count) { index in
      AttentionPairsBackward(group: groups[index], dO: dO, q: q, logSumExp: logSumExp, dQ: dQ)
        .run(k, v, dK: dK, dV: dV)
    }
    return (dQ, dK, dV)
  }
}

extension AttentionGroup {
  /// Runs of the segment's queries whose rows fill whole left panels, about 224 rows each. What such a tile
  /// reads and writes stays in the second-level cache, and its sums are long enough to be worth adding to dK
  /// and dV.
  fileprivate var pairTiles: [Range<Int>] {
    var unit = Int(CK_LEFT_LINES)
    for factor in [2, 7] where unit / factor * groupSize % Int(CK_LEFT_LINES) == 0 { unit /= factor }
    let height = max(1, 224 / (unit * groupSize)) * unit
    return stride(from: 0, to: segment.queryCount, by: height).map {
      $0..<min($0 + height, segment.queryCount)
    }
  }

  /// The queries as rows, for all heads of the group.
  fileprivate func tile(_ queries: Range<Int>) -> ck_attention_tile {
    ck_attention_tile(
      rows: queries.count * groupSize, group: groupSize, width: shape.headDim,
      position: queries.lowerBound + segment.keyCount - segment.queryCount, key_count: segment.keyCount,
      window: shape.window ?? 0, scale: shape.scale, cap: shape.softCap ?? 0)
  }

  /// Elements of this head's packed keys, with lines along the head. `columnPanelSize` has lines along the
  /// keys.
  fileprivate var keyPanelSize: Int {
    (segment.keyCount + Int(CK_RIGHT_LINES) - 1) / Int(CK_RIGHT_LINES)
      * ck_panel_size(Int(CK_RIGHT_LINES), shape.headDim)
  }
  fileprivate var columnPanelSize: Int { columnPanelSize(segment.keyCount) }

  /// Elements of the panels of H lines along `rows` rows.
  fileprivate func columnPanelSize(_ rows: Int) -> Int {
    shape.headDim / Int(CK_RIGHT_LINES) * ck_panel_size(Int(CK_RIGHT_LINES), rows)
  }

  /// Packs this head's keys or values as right panels. Their lines are the stored rows or columns.
  fileprivate func packKeys(
    _ tensor: Tensor, _ lines: LineDirection, into panels: UnsafeMutablePointer<UInt16>
  ) {
    pack(
      keyBytes(tensor, 0).assumingMemoryBound(to: UInt16.self), segment.keyCount, stride: tensor.rowLength,
      lines, into: panels)
  }

  fileprivate func pack(
    _ elements: UnsafePointer<UInt16>, _ rows: Int, stride: Int, _ lines: LineDirection,
    into panels: UnsafeMutablePointer<UInt16>
  ) {
    var source =
      lines == .rows
      ? ck_bf16_lines(x: elements, line_stride: stride, inner_stride: 1, lines: rows, inner: shape.headDim)
      : ck_bf16_lines(x: elements, line_stride: 1, inner_stride: stride, lines: shape.headDim, inner: rows)
    ck_pack_panels(&source, Int(CK_RIGHT_LINES), panels)
  }

  /// Calls `body` with the group's heads of some queries, [rows · G, H]. Rows that lie end to end are not
  /// copied.
  fileprivate func withRows(
    _ tensor: Tensor, _ queries: Range<Int>, _ body: (UnsafePointer<UInt16>) -> Void
  ) {
    let width = groupSize * shape.headDim
    if width == tensor.rowLength {
      return body(queryBytes(tensor, queries.lowerBound).assumingMemoryBound(to: UInt16.self))
    }
    withScratch16(queries.count * width) { rows in
      for (row, query) in queries.enumerated() {
        UnsafeMutableRawPointer(rows + row * width)
          .copyMemory(from: queryBytes(tensor, query), byteCount: width * 2)
      }
      body(rows)
    }
  }

  /// Calls `body` with memory for rows as in `withRows`, and writes them to the tensor.
  fileprivate func writeRows(
    _ tensor: Tensor, _ queries: Range<Int>, _ body: (UnsafeMutablePointer<UInt16>) -> Void
  ) {
    let width = groupSize * shape.headDim
    if width == tensor.rowLength {
      return body(queryBytes(tensor, queries.lowerBound).assumingMemoryBound(to: UInt16.self))
    }
    withScratch16(queries.count * width) { rows in
      body(rows)
      for (row, query) in queries.enumerated() {
        queryBytes(tensor, query).copyMemory(from: rows + row * width, byteCount: width * 2)
      }
    }
  }

  /// Computes o and log-sum-exp of a tile. The packed values follow the packed keys in memory.
  fileprivate func attend(
    _ queries: Range<Int>, _ q: Tensor, _ panels: UnsafePointer<UInt16>, _ o: Tensor, _ logSumExp: Tensor
  ) {
    var tile = tile(queries)
    withRows(q, queries) { rows in
      writeRows(o, queries) { output in
        var operands = ck_attention_operands(
          q: rows, keys: panels, values: panels + keyPanelSize, o: output,
          log_sum_exp: logSumExp.float32 + logSumExpIndex(queries.lowerBound),
          log_sum_exp_stride: shape.headCount)
        withScratch(ck_attention_forward_scratch(&tile)) { ck_attention_forward_pairs(&tile, &operands, $0) }
      }
    }
  }
}

/// The backward pass of one group, by products of bfloat16 pairs.
private struct AttentionPairsBackward {
  let group: AttentionGroup
  let dO: Tensor, q: Tensor, logSumExp: Tensor, dQ: Tensor

  /// Writes the group's share of dQ, dK and dV.
  func run(_ k: Tensor, _ v: Tensor, dK: Tensor, dV: Tensor) {
    let (keys, values) = (group.keyPanelSize, 2 * group.keyPanelSize)
    let count = group.segment.keyCount * group.shape.headDim
    withScratch16(values + group.columnPanelSize) { panels in
      group.packKeys(k, .rows, into: panels)
      group.packKeys(v, .rows, into: panels + keys)
      group.packKeys(k, .columns, into: panels + values)
      withScratch(2 * count) { sums in
        sums.initialize(repeating: 0, count: 2 * count)
        let shared = ck_attention_gradients(
          q: nil, d_o: nil, keys: panels, values: panels + keys, key_columns: panels + values,
          q_columns: nil, d_o_columns: nil, log_sum_exp: nil, log_sum_exp_stride: group.shape.headCount,
          dq: nil, d_keys: sums, d_values: sums + count)
        for queries in group.pairTiles { run(queries, shared) }
        store(sums, dK)
        store(sums + count, dV)
      }
    }
  }

  /// Adds one tile's share to the sums, and writes the tile's rows of dQ.
  private func run(_ queries: Range<Int>, _ shared: ck_attention_gradients) {
    var (tile, all) = (group.tile(queries), shared)
    let (width, size) = (group.shape.headDim, group.columnPanelSize(tile.rows))
    all.log_sum_exp = UnsafePointer(logSumExp.float32 + group.logSumExpIndex(queries.lowerBound))
    withScratch16(2 * size) { columns in
      (all.q_columns, all.d_o_columns) = (UnsafePointer(columns), UnsafePointer(columns + size))
      group.withRows(q, queries) { rows in
        group.withRows(dO, queries) { dRows in
          group.writeRows(dQ, queries) { result in
            group.pack(rows, tile.rows, stride: width, .columns, into: columns)
            group.pack(dRows, tile.rows, stride: width, .columns, into: columns + size)
            (all.q, all.d_o, all.dq) = (rows, dRows, result)
            withScratch(ck_attention_backward_scratch(&tile)) { ck_attention_backward_pairs(&tile, &all, $0) }
          }
        }
      }
    }
  }

  /// Writes one of the sums, rounded.
  private func store(_ sums: UnsafePointer<Float>, _ tensor: Tensor) {
    let width = group.shape.headDim
    for key in 0..<group.segment.keyCount {
      ck_convert(
        sums + key * width, Int32(CK_FLOAT32), 1, group.keyBytes(tensor, key), tensor.dtype.elementType, width
      )
    }
  }
}

/// Calls `body` with memory for `count` elements of 16 bits, aligned to 64 bytes, not initialised.
private func withScratch16(_ count: Int, _ body: (UnsafeMutablePointer<UInt16>) -> Void) {
  withScratch((count + 1) / 2) { scratch in
    scratch.withMemoryRebound(to: UInt16.self, capacity: count, body)
  }
}
