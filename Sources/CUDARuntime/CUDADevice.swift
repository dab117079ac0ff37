import CCUDA
import Files

/// A GPU: its context, and the one stream that everything runs on, in the order of the calls.
///
/// The operations on tensors do not throw, and the GPU reports faults late. So calls that only queue work
/// (`launch`, `upload`, `copy`, `fill`, ...) do not throw either: the first one that fails leaves its error
/// in `failure`, and from then on nothing more is queued. Calls that wait (`synchronize`, `download`, ...)
/// throw that error; so no result computed after a failure is ever read.
///
/// To be used by one thread at a time; another thread than the one that made it calls `bindThread` first.
package final class CUDADevice {
  /// What it is.
  package let properties: CUDADeviceProperties
  /// The newest CUDA that the driver runs.
  package let driverVersion: CUDAVersion
  /// The first error of a call that could not throw it.
  package private(set) var failure: CUDAError?

  let driver: CUDADriver
  /// The kernels' compiler.
  let compiler: CUDACompiler
  /// cuBLASLt, where there is one.
  let matmul: CUDAMatmul?
  /// The device's primary context, and a stream in it.
  private let context: UnsafeMutableRawPointer
  let stream: UnsafeMutableRawPointer
  /// Pinned host memory, and the part of it that small uploads go through, once there was one.
  let pinned: PinnedMemory
  private var staging: StagingRing?
  /// True between the begin and the end of a graph's capture.
  var isCapturing = false

  /// The first device that will do, with a context and a stream, current on the calling thread.
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

  /// For the log: such as "NVIDIA H200 (sm_90, 132 multiprocessors, 150.75 GB), driver of CUDA 13.0".
  package var summary: String {
    "\(properties.name) (sm_\(properties.architecture), \(properties.multiprocessorCount) multiprocessors, "
      + "\(gigabytes(properties.totalMemory))), driver of CUDA \(driverVersion)"
  }

  /// Makes the device's context the calling thread's.
  package func bindThread() throws(CUDAError) {
    try driver.check(driver.call.pointee.cuCtxSetCurrent(context), "cuCtxSetCurrent")
  }

  /// Bytes of device memory that are free, and that there are.
  package func memoryInfo() throws(CUDAError) -> (free: Int, total: Int) {
    var free = 0
    var total = 0
    try driver.check(driver.call.pointee.cuMemGetInfo(&free, &total), "cuMemGetInfo")
    return (free, total)
  }

  /// Waits until all queued work is done.
  /// - Throws: the first failure of anything queued.
  package func synchronize() throws(CUDAError) {
    precondition(!isCapturing, "CUDADevice.synchronize: within the capture of a graph")
    attempt("cuStreamSynchronize") { driver.call.pointee.cuStreamSynchronize(stream) }
    try throwFailure()
  }

  /// Pinned memory for a small upload that is queued next.
  func stagingRoom(_ byteCount: Int) throws(CUDAError) -> UnsafeMutableRawPointer {
    if staging == nil { staging = try StagingRing(driver, stream, pinned) }
    guard let room = try staging?.room(byteCount) else { throw driver.error(1, "cuMemHostAlloc") }
    return room
  }
}

// MARK: - Failures

extension CUDADevice {
  /// Throws the failure of an earlier call, if there was one.
  package func throwFailure() throws(CUDAError) {
    if let failure { throw failure }
  }

  /// Remembers an error that cannot be thrown, unless there is one already.
  package func record(_ error: CUDAError) {
    if failure == nil { failure = error }
  }

  /// Forgets a failure from which the caller has recovered (memory that was given back, say), so that work is
  /// queued again. A lost device stays lost.
  package func forgetFailure() {
    if failure?.kind != .deviceLost { failure = nil }
  }

  /// Makes a driver's call, unless one failed before, and remembers its error.
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
