import CUDARuntime
import Files
import Foundation
import Glibc
import Tensors

/// A driver, a compiler and cuBLASLt that compute nothing (Tests/Fixtures/CUDAStub), in a folder of their
/// own. They are copies of one library, so that tests that run side by side do not affect each other.
final class CUDAStub {
  /// The folder with libcuda.so.1, libnvrtc.so.13 and libcublasLt.so.13.
  let folder: String
  private let library: UnsafeMutableRawPointer

  init(nvrtc: String? = "libnvrtc.so.13", matmul: String? = "libcublasLt.so.13") throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("gemmatune-\(UUID())").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let driver = folder + "/libcuda.so.1"
    try FileManager.default.copyItem(atPath: try Self.built.get(), toPath: driver)
    for name in [nvrtc, matmul].compactMap({ $0 }) {
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder)/\(name)", withDestinationPath: "libcuda.so.1")
    }
    guard let opened = dlopen(driver, RTLD_NOW) else {
      throw Fault(.failure, String(cString: dlerror()))
    }
    library = opened
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Places that name this folder and no other.
  var places: LibraryPlaces { LibraryPlaces(folder: folder) }
  /// The stub's libraries, opened.
  var libraries: CUDALibraries { CUDALibraries(places: places) }

  /// Sets one of the numbers that stub.c reads.
  func set(_ name: String, _ value: Int) {
    typealias Set = @convention(c) (UnsafePointer<CChar>, Int) -> Void
    unsafeBitCast(symbol("stub_set"), to: Set.self)(name, value)
  }

  /// One of the numbers that stub.c writes, such as the calls of a function under its exported name.
  func get(_ name: String) -> Int {
    typealias Get = @convention(c) (UnsafePointer<CChar>) -> Int
    return unsafeBitCast(symbol("stub_get"), to: Get.self)(name)
  }

  /// Makes the next call of the function return `code`.
  func failNext(_ name: String, _ code: Int32) {
    typealias Fail = @convention(c) (UnsafePointer<CChar>, Int32) -> Void
    unsafeBitCast(symbol("stub_fail_next"), to: Fail.self)(name, code)
  }

  private func symbol(_ name: String) -> UnsafeMutableRawPointer {
    guard let symbol = dlsym(library, name) else { preconditionFailure("the stub lacks \(name)") }
    return symbol
  }

  /// The library, which the toolchain's clang builds once.
  private static let built = Result<String, any Error> {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    let output = FileManager.default.temporaryDirectory.appendingPathComponent(
      "gemmatune-stub-\(getpid()).so")
    let stub = "\(root)/Tests/Fixtures/CUDAStub"
    try buildLibrary(
      ["-I\(root)/Sources/CCUDA/include", "\(stub)/stub.c", "\(stub)/defaults.c"], to: output.path)
    return output.path
  }
}

/// Compiles C sources to a shared library.
func buildLibrary(_ arguments: [String], to output: String) throws {
  let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
  guard let folder = folders.first(where: { access("\($0)/clang", X_OK) == 0 }) else {
    throw Fault(.unavailable, "no clang on PATH: it comes with the Swift toolchain")
  }
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "\(folder)/clang")
  process.arguments = ["-shared", "-fPIC", "-O1", "-w", "-o", output] + arguments
  try process.run()
  process.waitUntilExit()
  guard process.terminationStatus == 0 else {
    throw Fault(.failure, "clang \(arguments.joined(separator: " ")): \(process.terminationStatus)")
  }
}
