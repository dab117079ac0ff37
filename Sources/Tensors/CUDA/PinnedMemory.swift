import CCUDA

/// Page-locked host memory, which the device copies from and to while the program goes on. Buffers are kept
/// for reuse: making one takes longer than most copies.
final class PinnedMemory {
  private let driver: CUDADriver
  /// Free buffers by the binary logarithm of their size.
  private var free: [Int: [UnsafeMutableRawPointer]] = [:]
  /// All buffers that exist.
  private var all: [UnsafeMutableRawPointer] = []

  init(_ driver: CUDADriver) { self.driver = driver }

  /// A buffer of at least `byteCount` bytes, to be given back.
  func buffer(_ byteCount: Int) throws(CUDAError) -> UnsafeMutableRawPointer {
    let exponent = sizeClass(byteCount)
    if let buffer = free[exponent]?.popLast() { return buffer }
    var pointer: UnsafeMutableRawPointer?
    try driver.check(driver.call.pointee.cuMemHostAlloc(&pointer, 1 << exponent, 0), "cuMemHostAlloc")
    guard let pointer else { throw driver.error(Int32(CC_CUDA_OUT_OF_MEMORY), "cuMemHostAlloc") }
    all.append(pointer)
    return pointer
  }

  /// Takes back a buffer that was made for `byteCount`, and that no queued copy uses any more.
  func takeBack(_ buffer: UnsafeMutableRawPointer, _ byteCount: Int) {
    free[sizeClass(byteCount), default: []].append(buffer)
  }

  /// Ends all buffers.
  func release() {
    for buffer in all { _ = driver.call.pointee.cuMemFreeHost(buffer) }
    all = []
    free = [:]
  }

  /// Exponent of the smallest power of two that holds `byteCount`; at least 4 KiB.
  private func sizeClass(_ byteCount: Int) -> Int {
    max(12, Int.bitWidth - max(byteCount - 1, 0).leadingZeroBitCount)
  }
}

/// A ring of pinned memory for small copies to the device: their source may change as soon as the call
/// returns.
///
/// The ring has two halves. The device is done with a half when the event recorded at the half's end has
/// happened; only then is it written again.
struct StagingRing {
  /// Bytes of a half, and the largest copy that goes through the ring.
  static let halfByteCount = 1 << 19, largestCopy = 1 << 17

  private let driver: CUDADriver
  private let stream: UnsafeMutableRawPointer
  private let bytes: UnsafeMutableRawPointer
  private let ends: [StreamEvent]
  /// The half that is written, and how far.
  private var half = 0, offset = 0
  /// Whether an event was recorded at each half's end.
  private var isRecorded = [false, false]

  init(_ driver: CUDADriver, _ stream: UnsafeMutableRawPointer, _ pinned: PinnedMemory) throws(CUDAError) {
    self.driver = driver
    self.stream = stream
    bytes = try pinned.buffer(2 * Self.halfByteCount)
    ends = [try StreamEvent(driver, isTimed: false), try StreamEvent(driver, isTimed: false)]
  }

  /// Where `byteCount` bytes can be written for a copy that is queued next; waits for the device when the
  /// ring is full.
  mutating func room(_ byteCount: Int) throws(CUDAError) -> UnsafeMutableRawPointer {
    if offset + byteCount > Self.halfByteCount {
      try driver.check(ends[half].record(stream), "cuEventRecord")
      isRecorded[half] = true
      half = 1 - half
      offset = 0
      if isRecorded[half] { try driver.check(ends[half].wait(), "cuEventSynchronize") }
    }
    defer { offset += (byteCount + 15) / 16 * 16 }
    return bytes + half * Self.halfByteCount + offset
  }
}
