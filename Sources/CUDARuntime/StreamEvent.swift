import CCUDA

/// An event of the driver, ended with this object. Its calls return the driver's results.
final class StreamEvent {
  let handle: UnsafeMutableRawPointer
  private let driver: CUDADriver

  init(_ driver: CUDADriver, isTimed: Bool) throws(CUDAError) {
    var event: UnsafeMutableRawPointer?
    let flags = isTimed ? 0 : UInt32(CC_EVENT_WITHOUT_TIMING)
    try driver.check(driver.call.pointee.cuEventCreate(&event, flags), "cuEventCreate")
    guard let event else { throw driver.error(1, "cuEventCreate") }
    self.driver = driver
    handle = event
  }

  deinit { _ = driver.call.pointee.cuEventDestroy(handle) }

  func record(_ stream: UnsafeMutableRawPointer) -> Int32 {
    driver.call.pointee.cuEventRecord(handle, stream)
  }
  func wait() -> Int32 { driver.call.pointee.cuEventSynchronize(handle) }
}
