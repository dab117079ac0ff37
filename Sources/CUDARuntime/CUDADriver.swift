import CCUDA

/// The driver's functions, and errors from its results.
struct CUDADriver {
  /// Functions with the names of NVIDIA's headers: `call.pointee.cuInit(0)`.
  let call: UnsafePointer<cc_driver>
  /// The newest CUDA version that the driver runs.
  let version: CUDAVersion
  /// The file that was loaded.
  let file: String

  static func opened(_ path: String) -> LibraryOpening<CUDADriver> {
    openedLibrary(path, cc_open_driver) { functions, file in
      var number: Int32 = 0
      let code = functions.pointee.cuDriverGetVersion(&number)
      guard code == 0 else { return .refused("cuDriverGetVersion gave \(code)") }
      let version = CUDAVersion(Int(number) / 1000, Int(number) % 1000 / 10)
      return .opened(CUDADriver(call: functions, version: version, file: file), version, file: file)
    }
  }

  /// Throws unless `code` is success.
  func check(_ code: Int32, _ name: @autoclosure () -> String) throws(CUDAError) {
    if code != 0 { throw error(code, name()) }
  }

  /// The error for a result that is not success.
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
