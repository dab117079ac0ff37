import CUDARuntime
import Files

/// Kernels on a GPU: the project's own, compiled when the program starts, and cuBLASLt for matrix products if
/// it is there.
///
/// Calls queue work on the device's one stream and return. Only `onHost`, and reading the result of `fetch`,
/// wait. Sums have a fixed order, so the same calls on the same device give the same bits. Only one thread
/// may use this.
package final class CUDAKernels {
  /// The GPU.
  package let device: CUDADevice
  /// Device memory, with counters.
  package let memory: CUDAMemory
  /// The kernels' code, which stays loaded as long as this object exists.
  private let modules: KernelModules
  /// The project's own kernels, by handle.
  let kernels: KernelTable
  let product: CUDAMatrixProduct?
  /// Small device tables that calls need again and again.
  let tables: DeviceTables
  let optimizerTables = OptimizerTables()
  private let productNote: String?

  /// The first suitable GPU, with all kernels compiled and loaded.
  /// - Parameters:
  ///   - files: the kernels' text.
  ///   - cacheFolder: where compiled kernels are kept between runs; nil keeps none.
  ///   - memoryLimit: the most device memory to take, in bytes; nil for no limit.
  /// - Throws: `Fault` .unavailable that names what was found and what is missing; .failure with the
  ///   compiler's words, or with the name of a missing kernel.
  package init(
    libraries: CUDALibraries, files: [KernelFile] = KernelFile.embedded,
    cacheFolder: String? = KernelModules.standardCacheFolder,
    memoryLimit: Int? = nil
  ) throws {
    device = try CUDADevice(libraries)
    let modules = try KernelModules(device, files: files, cacheFolder: cacheFolder)
    kernels = try KernelTable(modules)
    self.modules = modules
    memory = CUDAMemory(device, limit: memoryLimit)
    do throws(CUDAError) {
      product = try CUDAMatrixProduct(device, memory)
      productNote = libraries.matmulNote
    } catch {
      if error.kind == .deviceLost { throw error.fault }
      product = nil
      productNote = error.description
    }
    tables = DeviceTables(device, memory)
  }

  /// Such as "NVIDIA H200 (sm_90, …), driver of CUDA 13.0, cuBLASLt 13.2, kernels for sm_90 (12 cached, 0.2
  /// s)".
  package var summary: String {
    let products = product?.summary ?? "own matrix products (\(productNote ?? "no cuBLASLt"))"
    let report = modules.report
    let origin =
      report.compiledCount == 0 ? "\(report.cachedCount) cached" : "\(report.compiledCount) compiled"
    return "\(device.summary), \(products), kernels for \(report.target) (\(origin))"
  }

  /// Waits until all queued work is done.
  /// - Throws: `Fault` for the first failure of anything queued.
  package func synchronize() throws {
    do throws(CUDAError) { try device.synchronize() } catch { throw error.fault }
  }

  /// Throws the first failure of queued work that is known by now.
  /// - Throws: `Fault` .unavailable for a lost device and for missing memory, .failure otherwise.
  package func check() throws {
    do throws(CUDAError) { try device.throwFailure() } catch { throw error.fault }
  }
}

extension CUDAKernels: Kernels {}

// MARK: - Launches

extension CUDAKernels {
  /// Blocks for a kernel that strides over `count` elements: each of a block's 256 threads takes about 8.
  func elementBlocks(_ count: Int) -> LaunchExtent {
    .covering(count, block: 256 * 8, most: 16 * device.properties.multiprocessorCount)
  }
}

extension Tensor {
  /// Address on the device, as kernels take it.
  var deviceAddress: UInt64 {
    precondition(place == .device, "deviceAddress: a tensor \(shape) \(dtype) in main memory")
    return UInt64(address)
  }

  /// Whether the first byte lies at a multiple of 16.
  var isAligned: Bool { address % 16 == 0 }
}
