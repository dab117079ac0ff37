import CKernels

extension CPUKernels {
  package func attentionBackward(
    _ dO: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, o: Tensor, logSumExp: Tensor,
    _ shape: AttentionShape, segments: [AttentionSegment]
  ) -> (dQ: Tensor, dK: Tensor, dV: Tensor) {
    Requirements.attentionBackward(dO, q, k, v, o: o, logSumExp: logSumExp, shape, segments)
    if attendsInPairs(q, shape) {
      return attentionBackwardInPairs(dO, q, k, v, logSumExp: logSumExp, shape, segments)
    }
    let dQ = Tensor(zeros: q.shape, q.dtype)
    let dK = Tensor(zeros: k.shape, k.dtype)
    let dV = Tensor(zeros: v.shape, v.dtype)
    let groups = attentionGroups(shape, segments)
    // One group is one task: the sums over its queries that make dK and dV stay in one thread, in order. The
    // sum over keys of p · dp costs little here. It is dO · o before o was rounded, so o is not read.
    parallel(groups.count) { index in
      let group = groups[index]
      let pass = AttentionBackwardPass(group, k, v)
      for tile in group.tiles {
        pass.run(tile, self, dO: dO, q: q, logSumExp: logSumExp, dQ: dQ)
      }
      pass.store(dK: dK, dV: dV)
    }
    return (dQ, dK, dV)
  }
}

/// The backward pass of one group: its keys and values widened, and the sums of their gradients.
private struct AttentionBackwardPass {
  let group: AttentionGroup
  let keys: Tensor
  let values: Tensor
  let dKeys: Tensor
  let dValues: Tensor

  init(_ group: AttentionGroup, _ k: Tensor, _ v: Tensor) {
    let shape = [group.segment.keyCount, group.shape.headDim]
    self.group = group
    keys = Tensor(uninitialized: shape, .float32)
    values = Tensor(uninitialized: shape, .float32)
    dKeys = Tensor(zeros: shape, .float32)
    dValues = Tensor(zeros: shape, .float32)
    group.loadKeys(k, 0..<shape[0], keys.float32)
    group.loadKeys(v, 0..<shape[0], values.float32)
  }

  /// Adds one tile's share to the sums, and writes the tile's rows of dQ.
  func run(
    _ tile: Range<Int>, _ kernels: CPUKernels, dO: Tensor, q: Tensor, logSumExp: Tensor, dQ: Tensor
  ) {
    let range = group.visibleKeys(tile: tile)
    let shape = [tile.count * group.groupSize, group.shape.headDim]
    let queries = Tensor(uninitialized: shape, .float32)
    let dOutput = Tensor(uninitialized: shape, .float32)
    group.loadQueries(q, tile, queries.float32)
    group.loadQueries(dO, tile, dOutput.float32)
    let scores = Tensor(uninitialized: [shape[0], range.count], .float32)
    let dScores = Tensor(uninitialized: [shape[0], range.count], .float32)
    kernels.product(.stored(queries), .transposed(keys.rows(range)), .replacing, scores)
    kernels.product(.stored(dOutput), .transposed(values.rows(range)), .replacing, dScores)
    softmaxBackward(tile, range, logSumExp, scores, dScores)
    kernels.product(.transposed(scores), .stored(dOutput), .adding, dValues.rows(range))
    kernels.product(.transposed(dScores), .stored(queries), .adding, dKeys.rows(range))
    kernels.product(.stored(dScores), .stored(keys.rows(range)), .replacing, dOutput)
    let width = group.groupSize * group.shape.headDim
    for (row, query) in tile.enumerated() {
      store(dOutput.float32 + row * width, group.queryBytes(dQ, query), dQ.dtype, width)
    }
  }

  /// Turns `scores` into probabilities, and `dScores` from gradients of these into gradients of the raw
  /// scores.
  private func softmaxBackward(
    _ tile: Range<Int>, _ range: Range<Int>, _ logSumExp: Tensor, _ scores: Tensor, _ dScores: Tensor
  ) {
    for (row, query) in tile.enumerated() {
      for head in 0..<group.groupSize {
        let start = (row * group.groupSize + head) * range.count
        ck_attention_softmax_backward(
          group.row(query, keys: range), logSumExp.float32[group.logSumExpIndex(query) + head],
          scores.float32 + start, dScores.float32 + start)
      }
    }
  }

  /// Writes the sums to dK and dV, rounded.
  func store(dK: Tensor, dV: Tensor) {
    let width = group.shape.headDim
    for key in 0..<group.segment.keyCount {
      store(dKeys.float32 + key * width, group.keyBytes(dK, key), dK.dtype, width)
      store(dValues.float32 + key * width, group.keyBytes(dV, key), dV.dtype, width)
    }
  }

  private func store(
    _ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ dtype: DType, _ count: Int
  ) {
    ck_convert(source, Int32(CK_FLOAT32), 1, target, dtype.elementType, count)
  }
}
