import CCUDA

/// A point in the stream.
package final class CUDAEvent {
  private let device: CUDADevice
  private let event: StreamEvent

  /// An event that has not happened. Only a timed one can be compared with another.
  package init(_ device: CUDADevice, isTimed: Bool) throws(CUDAError) {
    self.device = device
    event = try StreamEvent(device.driver, isTimed: isTimed)
  }

  /// The event happens when all work queued so far is done. A failure is left with the device.
  package func record() {
    device.attempt("cuEventRecord") { event.record(device.stream) }
  }

  /// Waits until it has happened.
  /// - Throws: the first failure of anything queued.
  package func wait() throws(CUDAError) {
    device.attempt("cuEventSynchronize") { event.wait() }
    try device.throwFailure()
  }

  /// Milliseconds from `start` to this event; waits for both. Both must be timed.
  /// - Throws: the first failure of anything queued.
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
