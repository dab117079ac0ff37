import CCUDA

/// A point in the stream.
package final class CUDAEvent {
  private let device: CUDADevice
  private let event: StreamEvent

  /// An event that has not happened yet. Only timed events can be compared.
  package init(_ device: CUDADevice, isTimed: Bool) throws(CUDAError) {
    self.device = device
    event = try StreamEvent(device.driver, isTimed: isTimed)
  }

  /// Makes the event happen when all work queued so far is done. The device keeps a failure.
  package func record() {
    device.attempt("cuEventRecord") { event.record(device.stream) }
  }

  /// Waits until the event has happened.
  /// - Throws: the first failure of queued work.
  package func wait() throws(CUDAError) {
    device.attempt("cuEventSynchronize") { event.wait() }
    try device.throwFailure()
  }

  /// Milliseconds from `start` to this event. Waits for both, which must be timed.
  /// - Throws: the first failure of queued work.
  package func milliseconds(since start: CUDAEvent) throws(CUDAError) -> Float {
    try wait()
    var milliseconds: Float = 0
    device.attempt("cuEventElapsedTime") {
      device.driver.call.pointee.cuEventElapsedTime(&milliseconds, start.event.handle, event.handle)
    }
    try device.throwFailure()
    return milliseconds
  }
}
