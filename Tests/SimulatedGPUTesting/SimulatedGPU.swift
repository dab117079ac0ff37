import CUDARuntime
import Files
import Foundation
import Glibc
import Tensors

/// A simulated GPU (Tests/SimulatedGPU): libcuda, NVRTC and cuBLASLt that run the project's own kernels on
/// the processor. Each value is a copy of the library with links of its three names, so that a test changes
/// only its own.
package final class SimulatedGPU {
  /// The library, built beside the tests; nil if the package does not build it.
  package static var library: String? {
    var path = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &path, path.count - 1)
    guard count > 0 else { return nil }
    let program = String(decoding: path.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let file = URL(fileURLWithPath: program).deletingLastPathComponent().path + "/libSimulatedGPU.so"
    return FileManager.default.fileExists(atPath: file) ? file : nil
  }

  /// The folder with libcuda.so.1, libnvrtc.so.13 and libcublasLt.so.13.
  package let folder: String
  private let handle: UnsafeMutableRawPointer

  /// A copy of the library with its three names.
  /// - Throws: `Fault` .missing if the library is not built.
  package init() throws {
    guard let library = Self.library else { throw Fault(.missing, "libSimulatedGPU.so is not built") }
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("gemmatune-\(UUID())").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: library, toPath: folder + "/libcuda.so.1")
    for name in ["libnvrtc.so.13", "libcublasLt.so.13"] {
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder)/\(name)", withDestinationPath: "libcuda.so.1")
    }
    guard let opened = dlopen(folder + "/libcuda.so.1", RTLD_NOW) else {
      throw Fault(.failure, String(cString: dlerror()))
    }
    handle = opened
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// The libraries of the folder, opened.
  package var libraries: CUDALibraries { CUDALibraries(places: LibraryPlaces(folder: folder)) }

  /// Makes the next call of an exported function return `result`.
  package func failNext(_ function: String, _ result: Int32) {
    typealias Fail = @convention(c) (UnsafePointer<CChar>, Int32) -> Void
    unsafeBitCast(symbol("simulated_fail_next"), to: Fail.self)(function, result)
  }

  /// Makes every call that needs the device return `result` from now on.
  package func lose(_ result: Int32) {
    typealias Lose = @convention(c) (Int32) -> Void
    unsafeBitCast(symbol("simulated_lose_device"), to: Lose.self)(result)
  }

  /// Sets the size of device memory, in bytes.
  package func setMemory(_ byteCount: UInt64) {
    typealias Set = @convention(c) (UInt64) -> Void
    unsafeBitCast(symbol("simulated_set_memory"), to: Set.self)(byteCount)
  }

  private func symbol(_ name: String) -> UnsafeMutableRawPointer {
    guard let symbol = dlsym(handle, name) else { preconditionFailure("libSimulatedGPU.so lacks \(name)") }
    return symbol
  }
}
