import CCUDA
import Files

/// A GPU: its context, and the one stream in which everything runs, in the order of the calls.
///
/// Operations on tensors do not throw, and the GPU reports faults late. So calls that only queue work
/// (`launch`, `upload`, `copy`, `fill`, ...) do not throw either. The first one that fails leaves its error
/// in `failure`, and nothing more is queued after it. Calls that wait (`synchronize`, `download`, ...) throw
/// that error. So no result computed after a failure is ever read.
///
/// One thread at a time may use it. A thread other than the one that made it calls `bindThread` first.
package final class CUDADevice {
  /// Name, capability and sizes of the device.
  package let properties: CUDADeviceProperties
  /// The newest CUDA version that the driver runs.
  package let driverVersion: CUDAVersion
  /// The first error of a call that could not throw it.
  package private(set) var failure: CUDAError?

  let driver: CUDADriver
  /// The compiler of the kernels.
  let compiler: CUDACompiler
  /// cuBLASLt; nil if the machine has none.
  let matmul: CUDAMatmul?
  /// The device's primary context, and a stream in it.
  private let context: UnsafeMutableRawPointer
  let stream: UnsafeMutableRawPointer
  /// Pinned host memory, and the part of it for small uploads, which the first such upload makes.
  let pinned: PinnedMemory
  private var staging: StagingRing?
  /// True between begin and end of the capture of a graph.
  var isCapturing = false

  /// The first suitable device. Its context and stream are made, and the context is current on the calling
  /// thread.
  /// - Throws: `Fault` .unavailable that names what was found and what is missing.
  package init(_ libraries: CUDALibraries) throws {
    do {
      driver = try libraries.startedDriver()
      properties = try libraries.chosenDevice(driver)
      compiler = try libraries.requiredCompiler(for: properties, driver)
      matmul = libraries.matmul
      driverVersion = driver.version
      context = try openedContext(driver, properties)
      do {
        stream = try openedStream(driver)
      } catch {
        _ = driver.call.pointee.cuDevicePrimaryCtxRelease(Int32(properties.ordinal))
        throw error
      }
      pinned = PinnedMemory(driver)
    } catch let error as CUDAError {
      throw Fault(.unavailable, error.description)
    }
  }

  deinit {
    _ = driver.call.pointee.cuStreamSynchronize(stream)
    staging = nil
    pinned.release()
    _ = driver.call.pointee.cuStreamDestroy(stream)
    _ = driver.call.pointee.cuDevicePrimaryCtxRelease(Int32(properties.ordinal))
  }

  /// Such as "NVIDIA H200 (sm_90, 132 multiprocessors, 150.75 GB), driver of CUDA 13.0", for the log.
  package var summary: String {
    "\(properties.name) (sm_\(properties.architecture), \(properties.multiprocessorCount) multiprocessors, "
      + "\(byteText(properties.totalMemory))), driver of CUDA \(driverVersion)"
  }

  /// Makes the device's context current on the calling thread.
  package func bindThread() throws(CUDAError) {
    try driver.check(driver.call.pointee.cuCtxSetCurrent(context), "cuCtxSetCurrent")
  }

  /// Bytes of device memory: free, and in total.
  package func memoryInfo() throws(CUDAError) -> (free: Int, total: Int) {
    var free = 0
    var total = 0
    try driver.check(driver.call.pointee.cuMemGetInfo(&free, &total), "cuMemGetInfo")
    return (free, total)
  }

  /// Waits until all queued work is done.
  /// - Throws: the first failure of queued work.
  package func synchronize() throws(CUDAError) {
    precondition(!isCapturing, "CUDADevice.synchronize: within the capture of a graph")
    attempt("cuStreamSynchronize") { driver.call.pointee.cuStreamSynchronize(stream) }
    try throwFailure()
  }

  /// Pinned memory for a small upload, which must be queued next.
  func stagingRoom(_ byteCount: Int) throws(CUDAError) -> UnsafeMutableRawPointer {
    if staging == nil { staging = try StagingRing(driver, stream, pinned) }
    guard let room = try staging?.room(byteCount) else { throw driver.error(1, "cuMemHostAlloc") }
    return room
  }
}

// MARK: - Failures

extension CUDADevice {
  /// Throws the failure of an earlier call, if any.
  package func throwFailure() throws(CUDAError) {
    if let failure { throw failure }
  }

  /// Records an error that cannot be thrown, unless there is one already.
  package func record(_ error: CUDAError) {
    if failure == nil { failure = error }
  }

  /// Forgets a failure from which the caller has recovered, by giving memory back for instance. Work is
  /// queued again. A lost device stays lost.
  package func forgetFailure() {
    if failure?.kind != .deviceLost { failure = nil }
  }

  /// Calls the driver, unless a call has failed before, and records its error.
  @inline(__always)
  func attempt(_ name: @autoclosure () -> String, _ body: () -> Int32) {
    guard failure == nil else { return }
    let code = body()
    if code != 0 { record(driver.error(code, name())) }
  }
}

private func openedContext(
  _ driver: CUDADriver, _ properties: CUDADeviceProperties
) throws(CUDAError) -> UnsafeMutableRawPointer {
  var context: UnsafeMutableRawPointer?
  let code = driver.call.pointee.cuDevicePrimaryCtxRetain(&context, Int32(properties.ordinal))
  try driver.check(code, "cuDevicePrimaryCtxRetain")
  guard let context else { throw driver.error(1, "cuDevicePrimaryCtxRetain") }
  try driver.check(driver.call.pointee.cuCtxSetCurrent(context), "cuCtxSetCurrent")
  return context
}

private func openedStream(_ driver: CUDADriver) throws(CUDAError) -> UnsafeMutableRawPointer {
  var stream: UnsafeMutableRawPointer?
  let code = driver.call.pointee.cuStreamCreateWithPriority(&stream, UInt32(CC_STREAM_NON_BLOCKING), 0)
  try driver.check(code, "cuStreamCreateWithPriority")
  guard let stream else { throw driver.error(1, "cuStreamCreateWithPriority") }
  return stream
}
