import CCUDA

/// The functions of NVRTC, in a table that is filled once and then only read.
///
/// Several threads may call them, each with a program of its own (docs.nvidia.com/cuda/nvrtc, "Thread
/// Safety"). The kernels' files are compiled that way: hence `@unchecked Sendable` over a C pointer.
struct CUDACompiler: @unchecked Sendable {
  /// Functions with the names of NVIDIA's headers.
  let call: UnsafePointer<cc_compiler>
  /// Version of the compiler.
  let version: CUDAVersion
  /// The file that was loaded.
  let file: String

  static func opened(_ path: String) -> LibraryOpening<CUDACompiler> {
    openedLibrary(path, cc_open_compiler) { functions, file in
      var major: Int32 = 0
      var minor: Int32 = 0
      let code = functions.pointee.nvrtcVersion(&major, &minor)
      guard code == 0 else { return .refused("nvrtcVersion gave \(code)") }
      let version = CUDAVersion(Int(major), Int(minor))
      return .opened(CUDACompiler(call: functions, version: version, file: file), version, file: file)
    }
  }

  /// The library's text for a result.
  func text(_ code: Int32) -> String {
    call.pointee.nvrtcGetErrorString(code).map { String(cString: $0) } ?? "nvrtcResult \(code)"
  }
}
