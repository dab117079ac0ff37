import CCUDA

/// A run of device memory in use. `CUDAMemory.takeBack` gives it back.
package struct CUDABlock: Equatable, Sendable {
  /// Address of the first byte, a multiple of 512; 0 when there was no memory (the device then has a
  /// failure).
  package let address: UInt64
  /// Bytes that were requested.
  package let byteCount: Int
  /// Index of its entry in the table; nil when there was no memory.
  fileprivate let index: Int?
}

/// Device memory that is kept for reuse.
///
/// Everything runs in order on one stream. So a block that is given back can be lent again at once, even
/// while queued work still uses it: its next use is queued after that work. Segments of 2 MiB hold the blocks
/// up to 1 MiB, and segments of 20 MiB and more hold the larger ones. A free block is cut to size, and joined
/// again with its neighbours. Requests in the same order get the same places. One thread at a time may use
/// it.
/// Source of the sizes: PyTorch, c10/cuda/CUDACachingAllocator.cpp.
package final class CUDAMemory {
  /// The device functions that segments come from.
  package struct Source {
    /// Allocates a segment of this many bytes.
    var allocate: (Int) throws(CUDAError) -> UInt64
    /// Gives a segment back.
    var free: (UInt64) -> Void
    /// Waits until no queued work uses any memory.
    var settle: () -> Void
    /// Bytes of device memory: free, and in total.
    var available: () -> (free: Int, total: Int)
    /// Receives the errors that `block` cannot throw.
    var record: (CUDAError) -> Void

    /// Functions that allocate and free segments, wait, report memory, and receive errors.
    package init(
      allocate: @escaping (Int) throws(CUDAError) -> UInt64, free: @escaping (UInt64) -> Void,
      settle: @escaping () -> Void, available: @escaping () -> (free: Int, total: Int),
      record: @escaping (CUDAError) -> Void
    ) {
      self.allocate = allocate
      self.free = free
      self.settle = settle
      self.available = available
      self.record = record
    }
  }

  /// Bytes in blocks that are in use, and their peak since `resetPeak`.
  package private(set) var inUse = 0, peakInUse = 0
  /// Bytes taken from the device, and their peak since `resetPeak`.
  package private(set) var reserved = 0, peakReserved = 0
  /// The most bytes to take from the device; nil without a limit.
  package let limit: Int?

  private let source: Source
  private var table = BlockTable()
  private var poolCount = 0
  /// The pool of the graph that is being captured; and, by pool, the blocks of other pools that are given
  /// back during the capture.
  private var capturePool: Int?
  private var held: [Int: [Int]] = [:]

  /// Memory of `device`, at most `limit` bytes.
  package convenience init(_ device: CUDADevice, limit: Int? = nil) {
    self.init(.device(device), limit: limit)
  }

  /// Memory from `source`, at most `limit` bytes.
  package init(_ source: Source, limit: Int? = nil) {
    self.source = source
    self.limit = limit
  }

  deinit { table.segmentAddresses.forEach(source.free) }

  /// A block of `byteCount` bytes, not initialised.
  /// - Throws: kind .outOfMemory, with the numbers, when there is no memory even after all unused segments
  ///   were freed.
  package func allocate(_ byteCount: Int) throws(CUDAError) -> CUDABlock {
    precondition(byteCount >= 0, "CUDAMemory.allocate: \(byteCount) bytes")
    let rounded = max(1, byteCount).roundedUp(to: SegmentSizes.granularity)
    let index = try taken(rounded)
    inUse += table.blocks[index].byteCount
    peakInUse = max(peakInUse, inUse)
    return CUDABlock(address: table.blocks[index].address, byteCount: byteCount, index: index)
  }

  /// A block like that of `allocate`, for callers that cannot throw. Without memory, the device gets the
  /// failure, nothing more is queued, and the block has address 0.
  package func block(_ byteCount: Int) -> CUDABlock {
    do throws(CUDAError) {
      return try allocate(byteCount)
    } catch {
      source.record(error)
      return CUDABlock(address: 0, byteCount: byteCount, index: nil)
    }
  }

  /// Takes back a block. No more work may be queued that uses it, but work queued before may still use it.
  package func takeBack(_ block: CUDABlock) {
    guard let index = block.index else { return }
    inUse -= table.blocks[index].byteCount
    // The graph writes here whenever it runs, so the block waits until the graph ends.
    if let capturePool, table.blocks[index].pool != capturePool {
      held[capturePool, default: []].append(index)
    } else {
      table.free(index)
    }
  }

  /// Gives segments without a block in use back to the device.
  package func releaseUnused() {
    let segments = table.removeFreeSegments(pool: 0)
    guard !segments.isEmpty else { return }
    source.settle()
    for segment in segments {
      source.free(segment.address)
      reserved -= segment.byteCount
    }
  }

  /// Starts new peaks from the present values.
  package func resetPeak() {
    peakInUse = inUse
    peakReserved = reserved
  }

  // MARK: - Pools of graphs

  /// Starts a pool for the blocks that follow.  - Returns: its number, for `dissolve`.
  func beginPool() -> Int {
    precondition(capturePool == nil, "CUDAMemory.beginPool: within the capture of a graph")
    poolCount += 1
    capturePool = poolCount
    return poolCount
  }

  /// Takes blocks from the common pool again. Those of the graph stay apart until `dissolve`.
  func endPool() { capturePool = nil }

  /// Gives the memory of this pool to everyone, since its graph has ended.
  func dissolve(pool: Int) {
    table.dissolve(pool: pool)
    held.removeValue(forKey: pool)?.forEach { table.free($0) }
  }

  // MARK: - Segments

  private func taken(_ byteCount: Int) throws(CUDAError) -> Int {
    let pool = capturePool ?? 0
    let isSmall = byteCount <= SegmentSizes.largestSmallBlock
    let smallestRest = isSmall ? SegmentSizes.granularity : SegmentSizes.largestSmallBlock
    if let index = table.take(byteCount, pool: pool, isSmall: isSmall, smallestRest: smallestRest) {
      return index
    }
    let segment = try newSegment(byteCount, isSmall: isSmall)
    table.addSegment(segment.address, segment.byteCount, pool: pool, isSmall: isSmall)
    guard let index = table.take(byteCount, pool: pool, isSmall: isSmall, smallestRest: smallestRest) else {
      preconditionFailure("CUDAMemory: a new segment of \(segment.byteCount) does not hold \(byteCount)")
    }
    return index
  }

  /// A segment for a block, of the usual size. If there is no memory, unused segments are freed (except
  /// during a capture), and the usual size and then the bare size of the block are tried.
  private func newSegment(
    _ byteCount: Int, isSmall: Bool
  ) throws(CUDAError) -> (address: UInt64, byteCount: Int) {
    let usual = SegmentSizes.segment(for: byteCount, isSmall: isSmall)
    if let address = try fromDevice(usual) { return (address, usual) }
    if capturePool == nil { releaseUnused() }
    for size in [usual, byteCount] {
      if let address = try fromDevice(size) { return (address, size) }
    }
    let available = source.available()
    let error = CUDAError(
      driver: Int32(CC_CUDA_OUT_OF_MEMORY), call: "cuMemAlloc", name: "CUDA_ERROR_OUT_OF_MEMORY",
      text: "out of memory")
    throw error.adding(
      MemoryShortage(
        wanted: byteCount, inUse: inUse, limit: limit, free: available.free, total: available.total))
  }

  /// A new segment's address; nil when it exceeds the limit or the free memory. Other errors are thrown.
  private func fromDevice(_ byteCount: Int) throws(CUDAError) -> UInt64? {
    if let limit, reserved + byteCount > limit { return nil }
    do throws(CUDAError) {
      let address = try source.allocate(byteCount)
      reserved += byteCount
      peakReserved = max(peakReserved, reserved)
      return address
    } catch {
      if error.kind == .outOfMemory { return nil }
      throw error
    }
  }
}

/// Sizes in bytes of blocks and segments.
private enum SegmentSizes {
  static let granularity = 512, largestSmallBlock = 1 << 20, smallSegment = 2 << 20
  static let largestMiddleBlock = 10 << 20, middleSegment = 20 << 20, largeGranularity = 2 << 20

  static func segment(for byteCount: Int, isSmall: Bool) -> Int {
    if isSmall { return smallSegment }
    return byteCount < largestMiddleBlock ? middleSegment : byteCount.roundedUp(to: largeGranularity)
  }
}

extension CUDAMemory.Source {
  /// Functions that take memory from `device`.
  static func device(_ device: CUDADevice) -> CUDAMemory.Source {
    let driver = device.driver
    return CUDAMemory.Source(
      allocate: { byteCount throws(CUDAError) in
        // After a failure nothing is computed, and a lost device must not be asked again and again.
        try device.throwFailure()
        var address: UInt64 = 0
        try driver.check(driver.call.pointee.cuMemAlloc(&address, byteCount), "cuMemAlloc")
        return address
      },
      free: { _ = driver.call.pointee.cuMemFree($0) },
      settle: { _ = driver.call.pointee.cuStreamSynchronize(device.stream) },
      available: { (try? device.memoryInfo()) ?? (0, device.properties.totalMemory) },
      record: { device.record($0) })
  }
}
