import CCUDA

/// A CUDA graph: work that was captured once and is replayed with one call. The kernels, their arguments and
/// their memory do not change.
///
/// Memory that is allocated during the capture belongs to the graph until it ends. Blocks that are given back
/// meanwhile are used again within the capture, and by nobody else afterwards.
package final class CUDAGraph {
  private let device: CUDADevice
  private let memory: CUDAMemory
  private let instance: UnsafeMutableRawPointer
  private let pool: Int

  /// Captures the work that `body` queues, without running it. `body` must not wait, nor copy from or to the
  /// host.
  /// - Throws: the first failure of queued work, here or before. Nothing of the capture is left then.
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
    // The driver lets a run in progress end first. Later uses of the pool's memory are queued after that run.
    _ = device.driver.call.pointee.cuGraphExecDestroy(instance)
    memory.dissolve(pool: pool)
  }

  /// Queues a replay of the whole graph. The device keeps a failure.
  package func launch() {
    device.attempt("cuGraphLaunch") { device.driver.call.pointee.cuGraphLaunch(instance, device.stream) }
  }
}

/// Ends the capture, and makes an executable graph from it.
private func capturedInstance(_ device: CUDADevice) throws(CUDAError) -> UnsafeMutableRawPointer {
  let driver = device.driver
  var graph: UnsafeMutableRawPointer?
  // The capture is ended also after a failure. Otherwise the stream could not be used any more.
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
