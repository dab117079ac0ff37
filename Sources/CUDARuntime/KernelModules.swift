import CCUDA
import Dispatch
import Files
import FoundationEssentials
import Synchronization

/// The kernels, compiled for the device and loaded.
package final class KernelModules {
  /// How the modules were made.
  package struct Report: Equatable, Sendable {
    /// The target of the compilation, such as "sm_90".
    package var target: String
    /// Number of modules that were compiled now, and that were read from the cache.
    package var compiledCount: Int, cachedCount: Int
    /// Seconds that compiling and loading took.
    package var seconds: Double
  }

  /// How the modules were made, for the log.
  package let report: Report
  private let device: CUDADevice
  private var modules: [UnsafeMutableRawPointer] = []
  private var kernels: [String: CUDAKernel] = [:]

  /// Default folder of the compiled kernels, in the user's cache; nil without a home.
  package static var standardCacheFolder: String? {
    KernelCache.standardFolder(ProcessInfo.processInfo.environment)
  }

  /// Compiles the kernels that `cacheFolder` does not hold, several files at once, and loads all of them.
  /// - Throws: `Fault` .failure with the file and the compiler's text when a file does not compile,
  ///   .unavailable when the device does not load the code.
  package init(
    _ device: CUDADevice, files: [KernelFile] = KernelFile.embedded,
    headers: [KernelFile] = KernelFile.embeddedHeaders,
    cacheFolder: String?
  ) throws {
    let start = DispatchTime.now().uptimeNanoseconds
    let target = try device.compiler.target(for: device.properties)
    let cache = KernelCache(folder: cacheFolder)
    let images = try compiledImages(files, headers: headers, target, device.compiler, cache)
    self.device = device
    report = Report(
      target: target.name, compiledCount: images.count { !$0.isCached },
      cachedCount: images.count { $0.isCached },
      seconds: Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9)
    for (file, image) in zip(files, images) {
      do {
        modules.append(try device.loaded(image.bytes))
      } catch {
        throw Fault(.unavailable, file: file.name, "cannot be loaded on \(device.properties.name): \(error)")
      }
    }
  }

  deinit {
    for module in modules { _ = device.driver.call.pointee.cuModuleUnload(module) }
  }

  /// The kernel `name`, as one object for all calls. Its code is loaded at its first launch.
  /// - Throws: kind .other when no module has it.
  package func kernel(_ name: String) throws(CUDAError) -> CUDAKernel {
    if let kernel = kernels[name] { return kernel }
    var function: UnsafeMutableRawPointer?
    var code = Int32(CC_CUDA_NOT_FOUND)
    for module in modules where Int(code) == Int(CC_CUDA_NOT_FOUND) {
      code = device.driver.call.pointee.cuModuleGetFunction(&function, module, name)
    }
    try device.driver.check(code, "cuModuleGetFunction(\(name))")
    guard let function else { throw device.driver.error(1, "cuModuleGetFunction(\(name))") }
    let kernel = CUDAKernel(name, function, device)
    kernels[name] = kernel
    return kernel
  }
}

/// A module's code, and whether it came from the cache.
private struct KernelImage: Sendable {
  var bytes: [UInt8]
  var isCached: Bool
}

/// The code of all files, in their order. Those that are not cached are compiled side by side.
private func compiledImages(
  _ files: [KernelFile], headers: [KernelFile], _ target: KernelTarget, _ compiler: CUDACompiler,
  _ cache: KernelCache
) throws -> [KernelImage] {
  let results = Mutex<[Int: Result<KernelImage, any Error>]>([:])
  DispatchQueue.concurrentPerform(iterations: files.count) { index in
    let result = Result {
      let name = KernelCache.name(
        files[index], headers: headers, options: CUDACompiler.options, target: target,
        compiler: compiler.version)
      if let bytes = cache.entry(name) { return KernelImage(bytes: bytes, isCached: true) }
      let bytes = try compiler.compiled(files[index], headers: headers, target: target)
      cache.write(bytes, to: name)
      return KernelImage(bytes: bytes, isCached: false)
    }
    results.withLock { $0[index] = result }
  }
  let all = results.withLock { $0 }
  return try files.indices.compactMap { try all[$0]?.get() }
}

extension CUDADevice {
  /// Loads a module's code.
  /// - Throws: with the text of the driver's own compiler, when that refuses portable code.
  fileprivate func loaded(_ image: [UInt8]) throws(CUDAError) -> UnsafeMutableRawPointer {
    var module: UnsafeMutableRawPointer?
    var log = [UInt8](repeating: 0, count: 1024)
    let code = log.withUnsafeMutableBytes { log in
      var options = [Int32(CC_JIT_ERROR_LOG), Int32(CC_JIT_ERROR_LOG_BYTES)]
      var values = [log.baseAddress, UnsafeMutableRawPointer(bitPattern: log.count)]
      return image.withUnsafeBytes { bytes in
        bytes.baseAddress.map { driver.call.pointee.cuModuleLoadDataEx(&module, $0, 2, &options, &values) }
          ?? 1
      }
    }
    guard code == 0, let module else {
      let words = String(decoding: log.prefix { $0 != 0 }, as: UTF8.self).split(separator: "\n").first
      throw driver.error(code, "cuModuleLoadDataEx" + (words.map { " (\($0))" } ?? ""))
    }
    return module
  }
}
