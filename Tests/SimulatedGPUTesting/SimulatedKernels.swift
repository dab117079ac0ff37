import Tensors

/// The CUDA kernels on a simulated GPU of their own.
package struct SimulatedKernels {
  /// The GPU; its folder lasts as long as this.
  package let gpu: SimulatedGPU
  /// The conformer over it.
  package let kernels: CUDAKernels

  /// Opens the simulated libraries, compiles and loads all kernels.
  /// - Throws: `Fault`.
  package init(memoryLimit: Int? = nil) throws {
    gpu = try SimulatedGPU()
    kernels = try CUDAKernels(libraries: gpu.libraries, cacheFolder: nil, memoryLimit: memoryLimit)
  }
}
