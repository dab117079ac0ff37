import CCUDA

/// Work that was queued once and runs again with one call: the same kernels, with the same arguments, on the
/// same memory.
///
/// Memory that was taken while it was captured belongs to it until it ends: blocks that are given back
/// meanwhile are lent within the capture, and to nobody else afterwards.
package final class CUDAGraph {
  private let device: CUDADevice
  private let memory: CUDAMemory
  private let instance: UnsafeMutableRawPointer
  private let pool: Int

  /// Captures what `body` queues, without running it. `body` must not wait, nor copy from or to the host.
  /// - Throws: the first failure of anything queued, here or before; nothing is left of the capture then.
  package init(_ device: CUDADevice, _ memory: CUDAMemory, capturing body: () -> Void) throws(CUDAError) {
    precondition(!device.isCapturing, "CUDAGraph: within the capture of another")
    try device.throwFailure()
    let driver = device.driver
    try driver.check(
      driver.call.pointee.cuStreamBeginCapture(device.stream, Int32(CC_CAPTURE_RELAXED)),
      "cuStreamBeginCapture")
    let pool = memory.beginPool()
    device.isCapturing = true
    body()
    device.isCapturing = false
    memory.endPool()
    do throws(CUDAError) {
      instance = try capturedInstance(device)
    } catch {
      memory.dissolve(pool: pool)
      throw error
    }
    self.device = device
    self.memory = memory
    self.pool = pool
  }

  deinit {
    // The driver lets a run that is under way end first; the pool's memory is used again behind it.
    _ = device.driver.call.pointee.cuGraphExecDestroy(instance)
    memory.dissolve(pool: pool)
  }

  /// Queues all of it. A failure is left with the device.
  package func launch() {
    device.attempt("cuGraphLaunch") { device.driver.call.pointee.cuGraphLaunch(instance, device.stream) }
  }
}

/// Ends the capture, and makes a graph that can run of it.
private func capturedInstance(_ device: CUDADevice) throws(CUDAError) -> UnsafeMutableRawPointer {
  let driver = device.driver
  var graph: UnsafeMutableRawPointer?
  // The capture is ended also after a failure: else the stream could not be used any more.
  let ended = driver.call.pointee.cuStreamEndCapture(device.stream, &graph)
  defer { if let graph { _ = driver.call.pointee.cuGraphDestroy(graph) } }
  try device.throwFailure()
  try driver.check(ended, "cuStreamEndCapture")
  guard let graph else { throw driver.error(1, "cuStreamEndCapture") }
  var instance: UnsafeMutableRawPointer?
  let code = driver.call.pointee.cuGraphInstantiateWithFlags(&instance, graph, 0)
  try driver.check(code, "cuGraphInstantiateWithFlags")
  guard let instance else { throw driver.error(1, "cuGraphInstantiateWithFlags") }
  return instance
}
