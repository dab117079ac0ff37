/// A ring of pinned memory for small copies to the device, whose source may change as soon as the call
/// returns.
///
/// The ring has two halves, and an event is recorded at the end of each. Once that event has happened, the
/// device is done with the half, and it may be written again.
struct StagingRing {
  /// Bytes of a half, and the largest copy that goes through the ring.
  static let halfByteCount = 1 << 19, largestCopy = 1 << 17

  private let driver: CUDADriver
  private let stream: UnsafeMutableRawPointer
  private let bytes: UnsafeMutableRawPointer
  private let ends: [StreamEvent]
  /// The half that is being written, and the next free byte in it.
  private var half = 0, offset = 0
  /// Whether an event was recorded at the end of each half.
  private var isRecorded = [false, false]

  init(_ driver: CUDADriver, _ stream: UnsafeMutableRawPointer, _ pinned: PinnedMemory) throws(CUDAError) {
    self.driver = driver
    self.stream = stream
    bytes = try pinned.buffer(2 * Self.halfByteCount)
    ends = [try StreamEvent(driver, isTimed: false), try StreamEvent(driver, isTimed: false)]
  }

  /// Memory for `byteCount` bytes of a copy, which must be queued next. Waits for the device when the ring is
  /// full.
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
