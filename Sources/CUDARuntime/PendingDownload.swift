/// A copy to the host that was queued, and that may be read when it is done.
package final class PendingDownload {
  private let device: CUDADevice
  private let byteCount: Int
  private let buffer: UnsafeMutableRawPointer?
  private let done: StreamEvent?

  /// Nothing to wait for where the copy could not be queued: the device then has a failure.
  init(
    _ device: CUDADevice, _ byteCount: Int, _ buffer: UnsafeMutableRawPointer?, _ done: StreamEvent?
  ) {
    self.device = device
    self.byteCount = byteCount
    self.buffer = buffer
    self.done = done
  }

  deinit {
    guard let buffer else { return }
    // The device may still be writing: a buffer that nobody waited for is free only after that.
    _ = done?.wait()
    device.pinned.takeBack(buffer, byteCount)
  }

  /// Waits for the copy, and gives its elements.
  /// - Throws: the first failure of anything queued.
  package func elements<Element: BitwiseCopyable>(
    as _: Element.Type = Element.self
  ) throws(CUDAError) -> [Element] {
    if let done { device.attempt("cuEventSynchronize") { done.wait() } }
    try device.throwFailure()
    guard let buffer else { return [] }
    return Array(UnsafeRawBufferPointer(start: buffer, count: byteCount).bindMemory(to: Element.self))
  }
}
