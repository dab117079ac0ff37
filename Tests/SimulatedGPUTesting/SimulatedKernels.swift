import Tensors

/// The CUDA kernels on a simulated GPU.
package struct SimulatedKernels {
  /// The simulated GPU. Its folder lasts as long as this value.
  package let gpu: SimulatedGPU
  /// The CUDA kernels over that GPU.
  package let kernels: CUDAKernels

  /// Opens the libraries of a new simulated GPU, and compiles and loads all kernels. Each such GPU keeps
  /// about a thousand memory mappings to the end of the process, of which Linux allows 65,530.
  /// - Throws: `Fault`.
  package init(memoryLimit: Int? = nil) throws {
    gpu = try SimulatedGPU()
    kernels = try CUDAKernels(libraries: gpu.libraries, cacheFolder: nil, memoryLimit: memoryLimit)
  }

  /// These kernels, with the GPU's context current on the calling thread.
  /// - Throws: `Fault`.
  package func onThisThread() throws -> SimulatedKernels {
    try kernels.device.bindThread()
    return self
  }
}
