import CCUDA

/// The functions of cuBLASLt, and errors from its results.
struct CUDAMatmul {
  /// Functions with the names of NVIDIA's headers.
  let call: UnsafePointer<cc_matmul>
  /// Version of the library, such as 13.2.
  let version: CUDAVersion
  /// The file that was loaded.
  let file: String

  static func opened(_ path: String) -> LibraryOpening<CUDAMatmul> {
    openedLibrary(path, cc_open_matmul) { functions, file in
      let number = functions.pointee.cublasLtGetVersion()
      let version = CUDAVersion(number / 10000, number % 10000 / 100)
      return .opened(CUDAMatmul(call: functions, version: version, file: file), version, file: file)
    }
  }

  /// Throws unless `code` is success.
  func check(_ code: Int32, _ name: @autoclosure () -> String) throws(CUDAError) {
    if code != 0 { throw error(code, name()) }
  }

  /// The error for a status that is not success.
  func error(_ code: Int32, _ function: String) -> CUDAError {
    let name = call.pointee.cublasLtGetStatusString(code).map { String(cString: $0) } ?? "cublasStatus_t"
    let allocationFailed = 3
    return CUDAError(
      call: function, code: code, name: name, text: "in cuBLASLt \(version)",
      kind: Int(code) == allocationFailed ? .outOfMemory : .other)
  }
}
