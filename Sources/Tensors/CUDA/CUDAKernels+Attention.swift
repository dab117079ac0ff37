extension CUDAKernels {
  /// Head sizes that the tensor cores' kernels are made for, and keys of a tile of their gradients.
  private static let keysOfTile = [64: 64, 128: 64, 256: 32]

  package func attentionForward(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ layout: AttentionLayout)
    -> (o: Tensor, logSumExp: Tensor)
  {
    layout.requireFit("attentionForward", q, k, v)
    let o = uninitialized(q.shape, q.dtype)
    let logSumExp = uninitialized([q.rowCount, layout.headCount], .float32)
    let segments = tables.segments(layout)
    let size = HeadSizes(layout)
    if segments.isDecoding && layout.headDim <= 512 {
      decode(
        q, k, v, o, logSumExp, layout,
        DecodingSegments(
          address: segments.segments.address, count: segments.count, longest: segments.longest))
    } else if usesTensorCores(q, k, v, layout) {
      let tiles = segments.queryTiles(groupSize: layout.groupSize, height: 64)
      modules.launch(
        "attention_forward_bf16_\(layout.headDim)", grid: LaunchExtent(tiles.count, layout.keyValueHeadCount),
        block: 128, shared: 384 * layout.headDim, q.deviceAddress, k.deviceAddress, v.deviceAddress,
        o.deviceAddress, logSumExp.deviceAddress, segments.segments.address, tiles.address, size.heads,
        size.keyHeads, layout.scale, size.window, size.softCap)
    } else {
      let tiles = segments.queryTiles(groupSize: layout.groupSize, height: 16)
      modules.launch(
        "attention_forward_\(suffix(q.dtype))", grid: LaunchExtent(tiles.count, layout.keyValueHeadCount),
        block: 128, shared: 256 * (layout.headDim | 1) + 2048, q.deviceAddress, k.deviceAddress,
        v.deviceAddress, o.deviceAddress, logSumExp.deviceAddress, segments.segments.address, tiles.address,
        size.heads, size.keyHeads, size.headDim, layout.scale, size.window, size.softCap)
    }
    return (o, logSumExp)
  }

  package func attentionDecode(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ layout: AttentionLayout, segments: Tensor, longest: Int
  ) -> Tensor {
    precondition(layout.headDim <= 512, "attentionDecode: H \(layout.headDim), expected at most 512")
    let o = uninitialized(q.shape, q.dtype)
    let logSumExp = uninitialized([q.rowCount, layout.headCount], .float32)
    let all = DecodingSegments(address: segments.deviceAddress, count: segments.count / 4, longest: longest)
    decode(q, k, v, o, logSumExp, layout, all)
    return o
  }

  /// One query a segment: the keys are shared among blocks, some 64 each.
  private func decode(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ o: Tensor, _ logSumExp: Tensor, _ layout: AttentionLayout,
    _ segments: DecodingSegments
  ) {
    let size = HeadSizes(layout)
    let splits = max(1, min(16, (segments.longest + 63) / 64))
    let keysPerSplit = (segments.longest + splits - 1) / splits
    let partials = uninitialized(
      [segments.count, splits, layout.headCount, layout.headDim + 2], .float32)
    modules.launch(
      "attention_decode_\(suffix(q.dtype))",
      grid: LaunchExtent(splits, layout.keyValueHeadCount * ((layout.groupSize + 7) / 8), segments.count),
      block: 128, shared: 32 * layout.headDim + 1152, q.deviceAddress, k.deviceAddress, v.deviceAddress,
      partials.deviceAddress, segments.address, size.heads, size.keyHeads, size.headDim, layout.scale,
      size.window, size.softCap, Int32(keysPerSplit))
    modules.launch(
      "attention_merge_\(suffix(q.dtype))", grid: LaunchExtent(layout.headCount, segments.count), block: 128,
      partials.deviceAddress, o.deviceAddress, logSumExp.deviceAddress, segments.address, size.heads,
      size.headDim, Int32(splits))
  }

  package func attentionBackward(
    _ dO: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, o: Tensor, logSumExp: Tensor,
    _ layout: AttentionLayout
  ) -> (dQ: Tensor, dK: Tensor, dV: Tensor) {
    layout.requireFit("attentionBackward", q, k, v)
    precondition(
      dO.shape == q.shape && dO.dtype == q.dtype,
      "attentionBackward: dO \(dO.shape) \(dO.dtype), q \(q.shape)")
    let dQ = uninitialized(q.shape, q.dtype)
    let (dK, dV) = (uninitialized(k.shape, k.dtype), uninitialized(v.shape, v.dtype))
    let delta = uninitialized([q.rowCount, layout.headCount], .float32)
    let segments = tables.segments(layout)
    let size = HeadSizes(layout)
    // Keys that no segment has get no gradient, and no block writes that.
    if segments.keyCount < k.rowCount { [dK, dV].forEach(clear) }
    modules.launch(
      "attention_delta_\(suffix(q.dtype))",
      grid: .covering(q.rowCount * layout.headCount, block: 8, most: 65_536), block: 256, dO.deviceAddress,
      o.deviceAddress, delta.deviceAddress, Int32(q.rowCount), size.heads, size.headDim)
    let call = BackwardCall(
      dO: dO, q: q, k: k, v: v, logSumExp: logSumExp, delta: delta, dQ: dQ, dK: dK, dV: dV, layout: layout,
      segments: segments)
    if usesTensorCores(q, k, v, layout) && dO.isAligned, let keys = Self.keysOfTile[layout.headDim] {
      backwardByTensorCores(call, keys)
    } else {
      backwardByAnyHeadSize(call)
    }
    return (dQ, dK, dV)
  }

  private func backwardByTensorCores(_ call: BackwardCall, _ keys: Int) {
    let (layout, segments, size) = (call.layout, call.segments, HeadSizes(call.layout))
    let headDim = layout.headDim
    let rows = segments.queryTiles(groupSize: layout.groupSize, height: 64)
    modules.launch(
      "attention_backward_q_bf16_\(headDim)", grid: LaunchExtent(rows.count, layout.keyValueHeadCount),
      block: 128, shared: headDim * (256 + 4 * keys) + 512, call.q.deviceAddress, call.k.deviceAddress,
      call.v.deviceAddress, call.dO.deviceAddress, call.logSumExp.deviceAddress, call.delta.deviceAddress,
      call.dQ.deviceAddress, segments.segments.address, rows.address, size.heads, size.keyHeads, layout.scale,
      size.window, size.softCap)
    let tiles = segments.keyTiles(height: keys)
    withKeySplits(call, tiles.count) { splits, partials in
      modules.launch(
        "attention_backward_kv_bf16_\(headDim)",
        grid: LaunchExtent(tiles.count, layout.keyValueHeadCount, splits), block: 128,
        shared: headDim * (128 + 4 * keys) + 128 * keys + 1280, call.q.deviceAddress, call.k.deviceAddress,
        call.v.deviceAddress, call.dO.deviceAddress, call.logSumExp.deviceAddress, call.delta.deviceAddress,
        call.dK.deviceAddress, call.dV.deviceAddress, partials, segments.segments.address, tiles.address,
        Int32(call.k.rowCount), size.heads, size.keyHeads, layout.scale, size.window, size.softCap)
    }
  }

  private func backwardByAnyHeadSize(_ call: BackwardCall) {
    let (layout, segments, size) = (call.layout, call.segments, HeadSizes(call.layout))
    let (suffix, width) = (suffix(call.q.dtype), layout.headDim | 1)
    let rows = segments.queryTiles(groupSize: layout.groupSize, height: 16)
    modules.launch(
      "attention_backward_q_\(suffix)", grid: LaunchExtent(rows.count, layout.keyValueHeadCount), block: 128,
      shared: 320 * width + 2048, call.q.deviceAddress, call.k.deviceAddress, call.v.deviceAddress,
      call.dO.deviceAddress, call.logSumExp.deviceAddress, call.delta.deviceAddress, call.dQ.deviceAddress,
      segments.segments.address, rows.address, size.heads, size.keyHeads, size.headDim, layout.scale,
      size.window, size.softCap)
    let tiles = segments.keyTiles(height: 16)
    withKeySplits(call, tiles.count) { splits, partials in
      modules.launch(
        "attention_backward_kv_\(suffix)", grid: LaunchExtent(tiles.count, layout.keyValueHeadCount, splits),
        block: 128, shared: 384 * width + 2048, call.q.deviceAddress, call.k.deviceAddress,
        call.v.deviceAddress, call.dO.deviceAddress, call.logSumExp.deviceAddress, call.delta.deviceAddress,
        call.dK.deviceAddress, call.dV.deviceAddress, partials, segments.segments.address, tiles.address,
        Int32(call.k.rowCount), size.heads, size.keyHeads, size.headDim, layout.scale, size.window,
        size.softCap)
    }
  }

  /// Calls `launch` with the parts into which a group's heads are cut, so that there is a block or two for each
  /// multiprocessor, and where their gradients go; then adds these.
  private func withKeySplits(
    _ call: BackwardCall, _ tileCount: Int, _ launch: (_ splits: Int, _ partials: UInt64) -> Void
  ) {
    let blocks = max(1, tileCount * call.layout.keyValueHeadCount)
    let wanted = 2 * device.properties.multiprocessorCount
    let group = call.layout.groupSize
    let splits = (1...group).first { group % $0 == 0 && blocks * $0 >= wanted } ?? group
    if splits == 1 { return launch(1, 0) }
    let count = call.k.count
    let partials = uninitialized([splits, 2, count], .float32)
    if call.segments.keyCount < call.k.rowCount { clear(partials) }
    launch(splits, partials.deviceAddress)
    modules.launch(
      "attention_merge_kv_\(suffix(call.k.dtype))", grid: elementBlocks(2 * count), block: 256,
      partials.deviceAddress, call.dK.deviceAddress, call.dV.deviceAddress, Int64(count), Int32(splits))
  }

  private func usesTensorCores(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ layout: AttentionLayout) -> Bool {
    q.dtype == .bfloat16 && Self.keysOfTile[layout.headDim] != nil && q.isAligned && k.isAligned
      && v.isAligned && 384 * layout.headDim <= device.properties.sharedMemoryPerBlock
  }
}

/// Segments of one query each, in device memory.
private struct DecodingSegments {
  let address: UInt64, count: Int, longest: Int
}

/// Tensors of one gradient of attention.
private struct BackwardCall {
  let dO: Tensor, q: Tensor, k: Tensor, v: Tensor, logSumExp: Tensor, delta: Tensor
  let dQ: Tensor, dK: Tensor, dV: Tensor
  let layout: AttentionLayout
  let segments: SegmentTables
}

/// A layout's numbers as kernels take them; 0 stands for none.
private struct HeadSizes {
  let heads: Int32, keyHeads: Int32, headDim: Int32, window: Int32, softCap: Float

  init(_ layout: AttentionLayout) {
    heads = Int32(layout.headCount)
    keyHeads = Int32(layout.keyValueHeadCount)
    headDim = Int32(layout.headDim)
    window = Int32(layout.window ?? 0)
    softCap = layout.softCap ?? 0
  }
}
