import CCUDA

/// Page-locked host memory, which the device copies from and to while the program goes on. Buffers are kept
/// for reuse, because making one takes longer than most copies.
final class PinnedMemory {
  private let driver: CUDADriver
  /// Free buffers by the binary logarithm of their size.
  private var free: [Int: [UnsafeMutableRawPointer]] = [:]
  /// All buffers that exist.
  private var all: [UnsafeMutableRawPointer] = []

  init(_ driver: CUDADriver) { self.driver = driver }

  /// A buffer of at least `byteCount` bytes, to be returned to `takeBack`.
  func buffer(_ byteCount: Int) throws(CUDAError) -> UnsafeMutableRawPointer {
    let exponent = sizeClass(byteCount)
    if let buffer = free[exponent]?.popLast() { return buffer }
    var pointer: UnsafeMutableRawPointer?
    try driver.check(driver.call.pointee.cuMemHostAlloc(&pointer, 1 << exponent, 0), "cuMemHostAlloc")
    guard let pointer else { throw driver.error(Int32(CC_CUDA_OUT_OF_MEMORY), "cuMemHostAlloc") }
    all.append(pointer)
    return pointer
  }

  /// Takes back a buffer that was made for `byteCount` bytes. No queued copy may use it any more.
  func takeBack(_ buffer: UnsafeMutableRawPointer, _ byteCount: Int) {
    free[sizeClass(byteCount), default: []].append(buffer)
  }

  /// Frees all buffers.
  func release() {
    for buffer in all { _ = driver.call.pointee.cuMemFreeHost(buffer) }
    all = []
    free = [:]
  }

  /// Exponent of the smallest power of two that holds `byteCount`, but at least 4 KiB.
  private func sizeClass(_ byteCount: Int) -> Int {
    max(12, Int.bitWidth - max(byteCount - 1, 0).leadingZeroBitCount)
  }
}
