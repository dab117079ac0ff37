import CUDARuntime

extension CUDAKernels {
  package func attentionForward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape, segments: [AttentionSegment]
  ) -> (o: Tensor, logSumExp: Tensor) {
    Requirements.attentionForward(q, k, v, shape, segments)
    let o = uninitialized(q.shape, q.dtype)
    let logSumExp = uninitialized([q.rowCount, shape.headCount], .float32)
    let tables = tables.segments(segments)
    let size = HeadSizes(shape)
    if tables.isDecoding && shape.headDim <= 512 {
      decode(
        q, k, v, o, logSumExp, shape,
        DecodingSegments(
          address: tables.segments.address, count: tables.count, longest: tables.longest))
    } else if let cores = tensorCores(q, k, v, shape) {
      let tiles = tables.queryTiles(groupSize: shape.groupSize, height: 64)
      cores.forward.launch(
        grid: LaunchExtent(tiles.count, shape.keyValueHeadCount), headDim: shape.headDim, q.deviceAddress,
        k.deviceAddress, v.deviceAddress,
        o.deviceAddress, logSumExp.deviceAddress, tables.segments.address, tiles.address, size.heads,
        size.keyHeads, shape.scale, size.window, size.softCap)
    } else {
      let tiles = tables.queryTiles(groupSize: shape.groupSize, height: 16)
      kernels.attention.forward[q.dtype].launch(
        grid: LaunchExtent(tiles.count, shape.keyValueHeadCount), headDim: shape.headDim, q.deviceAddress,
        k.deviceAddress,
        v.deviceAddress, o.deviceAddress, logSumExp.deviceAddress, tables.segments.address, tiles.address,
        size.heads, size.keyHeads, size.headDim, shape.scale, size.window, size.softCap)
    }
    return (o, logSumExp)
  }

  package func attentionDecode(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape, segments: Tensor, longest: Int
  ) -> Tensor {
    Requirements.attentionDecode(q, k, v, shape, segments: segments)
    precondition(shape.headDim <= 512, "attentionDecode: H \(shape.headDim), expected at most 512")
    let o = uninitialized(q.shape, q.dtype)
    let logSumExp = uninitialized([q.rowCount, shape.headCount], .float32)
    let all = DecodingSegments(address: segments.deviceAddress, count: segments.count / 4, longest: longest)
    decode(q, k, v, o, logSumExp, shape, all)
    return o
  }

  /// Attention of segments of one query. Blocks share the keys, about 64 each.
  private func decode(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ o: Tensor, _ logSumExp: Tensor, _ shape: AttentionShape,
    _ segments: DecodingSegments
  ) {
    let size = HeadSizes(shape)
    let splits = max(1, min(16, (segments.longest + 63) / 64))
    let keysPerSplit = (segments.longest + splits - 1) / splits
    let partials = uninitialized(
      [segments.count, splits, shape.headCount, shape.headDim + 2], .float32)
    kernels.attention.decode[q.dtype].launch(
      grid: LaunchExtent(splits, shape.keyValueHeadCount * ((shape.groupSize + 7) / 8), segments.count),
      headDim: shape.headDim, q.deviceAddress, k.deviceAddress, v.deviceAddress,
      partials.deviceAddress, segments.address, size.heads, size.keyHeads, size.headDim, shape.scale,
      size.window, size.softCap, Int32(keysPerSplit))
    kernels.attention.merge[q.dtype].launch(
      grid: LaunchExtent(shape.headCount, segments.count),
      partials.deviceAddress, o.deviceAddress, logSumExp.deviceAddress, segments.address, size.heads,
      size.headDim, Int32(splits))
  }

  package func attentionBackward(
    _ dO: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, o: Tensor, logSumExp: Tensor,
    _ shape: AttentionShape, segments: [AttentionSegment]
  ) -> (dQ: Tensor, dK: Tensor, dV: Tensor) {
    Requirements.attentionBackward(dO, q, k, v, o: o, logSumExp: logSumExp, shape, segments)
    let dQ = uninitialized(q.shape, q.dtype)
    let (dK, dV) = (uninitialized(k.shape, k.dtype), uninitialized(v.shape, v.dtype))
    let delta = uninitialized([q.rowCount, shape.headCount], .float32)
    let tables = tables.segments(segments)
    let size = HeadSizes(shape)
    // Keys outside of all segments have a gradient of zero, and no block writes it.
    if tables.keyCount < k.rowCount { [dK, dV].forEach(clear) }
    kernels.attention.delta[q.dtype].launch(
      grid: .covering(q.rowCount * shape.headCount, block: 8, most: 65_536), dO.deviceAddress,
      o.deviceAddress, delta.deviceAddress, Int32(q.rowCount), size.heads, size.headDim)
    let call = BackwardCall(
      dO: dO, q: q, k: k, v: v, logSumExp: logSumExp, delta: delta, dQ: dQ, dK: dK, dV: dV, shape: shape,
      segments: tables)
    if dO.isAligned, let cores = tensorCores(q, k, v, shape) {
      backwardByTensorCores(call, cores)
    } else {
      backwardByAnyHeadSize(call)
    }
    return (dQ, dK, dV)
  }

  private func backwardByTensorCores(_ call: BackwardCall, _ cores: AttentionKernels.TensorCores) {
    let (shape, segments, size) = (call.shape, call.segments, HeadSizes(call.shape))
    let rows = segments.queryTiles(groupSize: shape.groupSize, height: 64)
    cores.backwardQueries.launch(
      grid: LaunchExtent(rows.count, shape.keyValueHeadCount), headDim: shape.headDim, call.q.deviceAddress,
      call.k.deviceAddress,
      call.v.deviceAddress, call.dO.deviceAddress, call.logSumExp.deviceAddress, call.delta.deviceAddress,
      call.dQ.deviceAddress, segments.segments.address, rows.address, size.heads, size.keyHeads, shape.scale,
      size.window, size.softCap)
    let tiles = segments.keyTiles(height: cores.tileKeys)
    withKeySplits(call, tiles.count) { splits, partials in
      cores.backwardKeysAndValues.launch(
        grid: LaunchExtent(tiles.count, shape.keyValueHeadCount, splits),
        headDim: shape.headDim, call.q.deviceAddress, call.k.deviceAddress,
        call.v.deviceAddress, call.dO.deviceAddress, call.logSumExp.deviceAddress, call.delta.deviceAddress,
        call.dK.deviceAddress, call.dV.deviceAddress, partials, segments.segments.address, tiles.address,
        Int32(call.k.rowCount), size.heads, size.keyHeads, shape.scale, size.window, size.softCap)
    }
  }

  private func backwardByAnyHeadSize(_ call: BackwardCall) {
    let (shape, segments, size) = (call.shape, call.segments, HeadSizes(call.shape))
    let rows = segments.queryTiles(groupSize: shape.groupSize, height: 16)
    kernels.attention.backwardQueries[call.q.dtype].launch(
      grid: LaunchExtent(rows.count, shape.keyValueHeadCount),
      headDim: shape.headDim, call.q.deviceAddress, call.k.deviceAddress, call.v.deviceAddress,
      call.dO.deviceAddress, call.logSumExp.deviceAddress, call.delta.deviceAddress, call.dQ.deviceAddress,
      segments.segments.address, rows.address, size.heads, size.keyHeads, size.headDim, shape.scale,
      size.window, size.softCap)
    let tiles = segments.keyTiles(height: 16)
    withKeySplits(call, tiles.count) { splits, partials in
      kernels.attention.backwardKeysAndValues[call.q.dtype].launch(
        grid: LaunchExtent(tiles.count, shape.keyValueHeadCount, splits), headDim: shape.headDim,
        call.q.deviceAddress, call.k.deviceAddress,
        call.v.deviceAddress, call.dO.deviceAddress, call.logSumExp.deviceAddress, call.delta.deviceAddress,
        call.dK.deviceAddress, call.dV.deviceAddress, partials, segments.segments.address, tiles.address,
        Int32(call.k.rowCount), size.heads, size.keyHeads, size.headDim, shape.scale, size.window,
        size.softCap)
    }
  }

  /// Calls `launch` with the number of parts into which a group's heads are cut, and with memory for the
  /// gradients of the parts; then adds the parts. There are enough parts for a block or two on each
  /// multiprocessor.
  private func withKeySplits(
    _ call: BackwardCall, _ tileCount: Int, _ launch: (_ splits: Int, _ partials: UInt64) -> Void
  ) {
    let blocks = max(1, tileCount * call.shape.keyValueHeadCount)
    let wanted = 2 * device.properties.multiprocessorCount
    let group = call.shape.groupSize
    let splits = (1...group).first { group % $0 == 0 && blocks * $0 >= wanted } ?? group
    if splits == 1 { return launch(1, 0) }
    let count = call.k.count
    let partials = uninitialized([splits, 2, count], .float32)
    if call.segments.keyCount < call.k.rowCount { clear(partials) }
    launch(splits, partials.deviceAddress)
    kernels.attention.mergeKeysAndValues[call.k.dtype].launch(
      grid: elementBlocks(2 * count),
      partials.deviceAddress, call.dK.deviceAddress, call.dV.deviceAddress, Int64(count), Int32(splits))
  }

  /// The tensor-core kernels for heads of this size; nil if there are none, or none that can take these
  /// tensors.
  private func tensorCores(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape
  ) -> AttentionKernels.TensorCores? {
    guard q.dtype == .bfloat16, q.isAligned, k.isAligned, v.isAligned,
      let cores = kernels.attention.tensorCores[shape.headDim],
      cores.forward.sharedBytes(shape.headDim) <= device.properties.sharedMemoryPerBlock
    else { return nil }
    return cores
  }
}

/// Segments of one query each, in device memory.
private struct DecodingSegments {
  let address: UInt64, count: Int, longest: Int
}

/// The tensors of one backward pass of attention.
private struct BackwardCall {
  let dO: Tensor, q: Tensor, k: Tensor, v: Tensor, logSumExp: Tensor, delta: Tensor
  let dQ: Tensor, dK: Tensor, dV: Tensor
  let shape: AttentionShape
  let segments: SegmentTables
}

/// The numbers of a shape as kernels take them; 0 stands for no window or cap.
private struct HeadSizes {
  let heads: Int32, keyHeads: Int32, headDim: Int32, window: Int32, softCap: Float

  init(_ shape: AttentionShape) {
    heads = Int32(shape.headCount)
    keyHeads = Int32(shape.keyValueHeadCount)
    headDim = Int32(shape.headDim)
    window = Int32(shape.window ?? 0)
    softCap = shape.softCap ?? 0
  }
}
