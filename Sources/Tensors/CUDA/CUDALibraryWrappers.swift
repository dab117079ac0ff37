import CCUDA

/// The driver's functions, and errors from its results.
struct CUDADriver {
  /// `call.pointee.cuInit(0)`: functions under the names of NVIDIA's headers.
  let call: UnsafePointer<cc_driver>
  /// The newest CUDA that the driver runs.
  let version: CUDAVersion
  /// The file that was loaded.
  let file: String

  static func opened(_ path: String) -> LibraryOpening<CUDADriver> {
    open(path, cc_open_driver) { functions, file in
      var number: Int32 = 0
      let code = functions.pointee.cuDriverGetVersion(&number)
      guard code == 0 else { return .refused("cuDriverGetVersion gave \(code)") }
      let version = CUDAVersion(Int(number) / 1000, Int(number) % 1000 / 10)
      return .opened(CUDADriver(call: functions, version: version, file: file), version, file: file)
    }
  }

  /// Nothing where `code` is success.
  func check(_ code: Int32, _ name: @autoclosure () -> String) throws(CUDAError) {
    if code != 0 { throw error(code, name()) }
  }

  /// The error of a result that is not success.
  func error(_ code: Int32, _ function: String) -> CUDAError {
    var name: UnsafePointer<CChar>?
    var text: UnsafePointer<CChar>?
    _ = call.pointee.cuGetErrorName(code, &name)
    _ = call.pointee.cuGetErrorString(code, &text)
    return CUDAError(
      driver: code, call: function, name: name.map { String(cString: $0) } ?? "CUresult",
      text: text.map { String(cString: $0) } ?? "unknown error")
  }
}

/// The functions of NVRTC, a table that is filled once and then only read. They may be called from several
/// threads, each with a program of its own (docs.nvidia.com/cuda/nvrtc, "Thread Safety"), as the kernels'
/// files are compiled: hence `@unchecked Sendable` over a C pointer.
struct CUDACompiler: @unchecked Sendable {
  /// Functions under the names of NVIDIA's headers.
  let call: UnsafePointer<cc_compiler>
  /// The compiler's.
  let version: CUDAVersion
  /// The file that was loaded.
  let file: String

  static func opened(_ path: String) -> LibraryOpening<CUDACompiler> {
    open(path, cc_open_compiler) { functions, file in
      var major: Int32 = 0
      var minor: Int32 = 0
      let code = functions.pointee.nvrtcVersion(&major, &minor)
      guard code == 0 else { return .refused("nvrtcVersion gave \(code)") }
      let version = CUDAVersion(Int(major), Int(minor))
      return .opened(CUDACompiler(call: functions, version: version, file: file), version, file: file)
    }
  }

  /// The library's words for a result.
  func text(_ code: Int32) -> String {
    call.pointee.nvrtcGetErrorString(code).map { String(cString: $0) } ?? "nvrtcResult \(code)"
  }
}

/// The functions of cuBLASLt, and errors from its results.
struct CUDAMatmul {
  /// Functions under the names of NVIDIA's headers.
  let call: UnsafePointer<cc_matmul>
  /// Of the library, such as 13.2.
  let version: CUDAVersion
  /// The file that was loaded.
  let file: String

  static func opened(_ path: String) -> LibraryOpening<CUDAMatmul> {
    open(path, cc_open_matmul) { functions, file in
      let number = functions.pointee.cublasLtGetVersion()
      let version = CUDAVersion(number / 10000, number % 10000 / 100)
      return .opened(CUDAMatmul(call: functions, version: version, file: file), version, file: file)
    }
  }

  /// Nothing where `code` is success.
  func check(_ code: Int32, _ name: @autoclosure () -> String) throws(CUDAError) {
    if code != 0 { throw error(code, name()) }
  }

  /// The error of a status that is not success.
  func error(_ code: Int32, _ function: String) -> CUDAError {
    let name = call.pointee.cublasLtGetStatusString(code).map { String(cString: $0) } ?? "cublasStatus_t"
    let allocationFailed = 3
    return CUDAError(
      call: function, code: code, name: name, text: "in cuBLASLt \(version)",
      kind: Int(code) == allocationFailed ? .outOfMemory : .other)
  }
}

/// Opens a library with one of CCUDA's functions, and words what went wrong.
private func open<Functions, Library>(
  _ path: String,
  _ opener: (UnsafePointer<CChar>, UnsafeMutablePointer<cc_opening>) -> UnsafePointer<Functions>?,
  _ make: (UnsafePointer<Functions>, String) -> LibraryOpening<Library>
) -> LibraryOpening<Library> {
  var opening = cc_opening()
  let functions = opener(path, &opening)
  let detail = text(&opening.detail)
  guard let functions else {
    return .refused(
      Int(opening.state) == Int(CC_MISSING_SYMBOL) ? "it lacks the function \(detail)" : detail)
  }
  let file = text(&opening.file)
  return make(functions, file.isEmpty ? path : file)
}

/// A C string in a fixed field.
private func text<Field>(_ field: inout Field) -> String {
  withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
