import Files
import Foundation
import SimulatedGPUTesting

/// A folder with the libraries of a simulated GPU, which a program's environment controls
/// (Tests/Fixtures/SteeredGPU).
final class SteeredGPU: Sendable {
  /// Holds libcuda.so.1, libnvrtc.so.13 and libcublasLt.so.13.
  let folder: String

  /// The folder that all tests share. Each program that they start has a GPU of its own.
  static let shared = Result { try SteeredGPU() }

  /// The overrides that make a command use it.
  var overrides: [String] {
    ["device=cuda", "cuda.libraries=\(folder)", "cuda.kernel_cache=\(folder)/kernels"]
  }

  /// All libraries, except for the one that `missing` names.
  init(missing: String? = nil) throws {
    guard let library = SimulatedGPU.library else { throw Fault(.missing, "libSimulatedGPU.so is not built") }
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("gemmatune-\(UUID())").path
    try makeDirectory(folder)
    try FileManager.default.copyItem(atPath: library, toPath: "\(folder)/libSimulatedGPU.so")
    for name in ["libnvrtc.so.13", "libcublasLt.so.13"] where name != missing {
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder)/\(name)", withDestinationPath: "libSimulatedGPU.so")
    }
    try build()
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func build() throws {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    guard let tools = folders.first(where: { access("\($0)/clang", X_OK) == 0 }) else {
      throw Fault(.unavailable, "no clang on PATH: it comes with the Swift toolchain")
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "\(tools)/clang")
    process.arguments = [
      "-shared", "-fPIC", "-O1", "-o", "\(folder)/libcuda.so.1", "\(fixtures)/SteeredGPU/steer.c",
      "\(folder)/libSimulatedGPU.so", "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed",
    ]
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Fault(.failure, "clang could not build the steered libcuda.so.1: \(process.terminationStatus)")
    }
  }
}
