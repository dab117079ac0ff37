/// A queued copy to the host, which can be read when it is done.
package final class PendingDownload {
  private let device: CUDADevice
  private let byteCount: Int
  private let buffer: UnsafeMutableRawPointer?
  private let done: StreamEvent?

  /// A copy that could not be queued leaves nothing to wait for, and the device has a failure.
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
    // The device may still be writing. The buffer is free only after that, even if nobody has waited for it.
    _ = done?.wait()
    device.pinned.takeBack(buffer, byteCount)
  }

  /// Waits for the copy, and returns its elements.
  /// - Throws: the first failure of queued work.
  package func elements<Element: BitwiseCopyable>(
    as _: Element.Type = Element.self
  ) throws(CUDAError) -> [Element] {
    if let done { device.attempt("cuEventSynchronize") { done.wait() } }
    try device.throwFailure()
    guard let buffer else { return [] }
    return Array(UnsafeRawBufferPointer(start: buffer, count: byteCount).bindMemory(to: Element.self))
  }
}
