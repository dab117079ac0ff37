import Tensors

/// The CUDA kernels on a simulated GPU.
package struct SimulatedKernels {
  /// The GPU; its folder lasts as long as this.
  package let gpu: SimulatedGPU
  /// The conformer over it.
  package let kernels: CUDAKernels

  /// A GPU of its own: opens the simulated libraries, compiles and loads all kernels. Each such GPU keeps some thousand
  /// memory mappings to the end of the process, of which Linux allows 65,530.
  /// - Throws: `Fault`.
  package init(memoryLimit: Int? = nil) throws {
    gpu = try SimulatedGPU()
    kernels = try CUDAKernels(libraries: gpu.libraries, cacheFolder: nil, memoryLimit: memoryLimit)
  }

  /// The same, current on the calling thread.
  /// - Throws: `Fault`.
  package func onThisThread() throws -> SimulatedKernels {
    try kernels.device.bindThread()
    return self
  }
}
