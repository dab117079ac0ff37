import CCUDA
import Files

extension CUDACompiler {
  /// Options of every compilation, in addition to the target.
  static let options = ["--std=c++17", "-default-device"]

  /// The best target for a device.
  /// - Throws: `Fault` .unavailable when the compiler has none.
  func target(for device: CUDADeviceProperties) throws -> KernelTarget {
    let supported = architectures
    if let target = KernelTarget.best(for: device.architecture, supported: supported) { return target }
    let list = supported.map { "sm_\($0)" }.joined(separator: ", ")
    throw Fault(
      .unavailable,
      "cuda: \(device.name) is of sm_\(device.architecture), which NVRTC \(version) (\(file)) does not compile for; "
        + "it knows \(list)",
      hint: "install another NVRTC and name its folder in \(LibraryPlaces.key), or set device: cpu")
  }

  /// The architectures that the compiler can compile for.
  private var architectures: [Int] {
    var count: Int32 = 0
    guard call.pointee.nvrtcGetNumSupportedArchs(&count) == 0, count > 0 else { return [] }
    var list = [Int32](repeating: 0, count: Int(count))
    return call.pointee.nvrtcGetSupportedArchs(&list) == 0 ? list.map(Int.init) : []
  }

  /// The module of a file: device code, or zero-terminated text for a portable target.
  /// - Throws: `Fault` .failure with the file's name and the compiler's first errors.
  func compiled(_ kernels: KernelFile, headers: [KernelFile], target: KernelTarget) throws -> [UInt8] {
    var program: UnsafeMutableRawPointer?
    defer { if program != nil { _ = call.pointee.nvrtcDestroyProgram(&program) } }
    let created = withCStrings(headers.map(\.text) + headers.map(\.name)) { strings in
      let names = Array(strings[headers.count...])
      return call.pointee.nvrtcCreateProgram(
        &program, kernels.text, kernels.name, Int32(headers.count), strings, names)
    }
    guard created == 0, let program else { throw fault(kernels, target, text(created)) }
    let options = Self.options + ["--gpu-architecture=\(target.name)"]
    let code = withCStrings(options) { call.pointee.nvrtcCompileProgram(program, Int32(options.count), $0) }
    guard code == 0 else {
      let errors = Int(code) == Int(CC_NVRTC_COMPILATION_ERROR) ? firstErrors(program) : ""
      throw fault(kernels, target, errors.isEmpty ? text(code) : errors)
    }
    return try image(program, target) ?? { throw fault(kernels, target, "no code came out") }()
  }

  private func image(_ program: UnsafeMutableRawPointer, _ target: KernelTarget) -> [UInt8]? {
    switch target {
    case .binary: output(program, call.pointee.nvrtcGetCUBINSize, call.pointee.nvrtcGetCUBIN)
    case .portable: output(program, call.pointee.nvrtcGetPTXSize, call.pointee.nvrtcGetPTX)
    }
  }

  /// The output of a pair of compiler functions, one for the size and one for the content; nil when it is
  /// empty.
  private func output(
    _ program: UnsafeMutableRawPointer, _ size: (UnsafeMutableRawPointer, UnsafeMutablePointer<Int>) -> Int32,
    _ content: (UnsafeMutableRawPointer, UnsafeMutablePointer<CChar>) -> Int32
  ) -> [UInt8]? {
    var count = 0
    guard size(program, &count) == 0, count > 0 else { return nil }
    var bytes = [CChar](repeating: 0, count: count)
    guard content(program, &bytes) == 0 else { return nil }
    return bytes.map { UInt8(bitPattern: $0) }
  }

  /// The log's first three lines that report an error, or its first three lines if none does.
  private func firstErrors(_ program: UnsafeMutableRawPointer) -> String {
    let log = output(program, call.pointee.nvrtcGetProgramLogSize, call.pointee.nvrtcGetProgramLog) ?? []
    let lines = String(decoding: log.prefix { $0 != 0 }, as: UTF8.self).split(separator: "\n")
    let errors = lines.filter { $0.contains("error") }
    return (errors.isEmpty ? lines : errors).prefix(3).joined(separator: " | ")
  }

  private func fault(_ kernels: KernelFile, _ target: KernelTarget, _ what: String) -> Fault {
    Fault(.failure, file: kernels.name, "does not compile for \(target.name) with NVRTC \(version): \(what)")
  }
}

/// Calls `body` with C strings, which are valid only within the call.
private func withCStrings<Result>(
  _ strings: [String], _ body: ([UnsafePointer<CChar>?]) -> Result
) -> Result {
  let bytes = strings.map { Array($0.utf8CString) }
  func step(_ pointers: [UnsafePointer<CChar>?]) -> Result {
    pointers.count == bytes.count
      ? body(pointers)
      : bytes[pointers.count].withUnsafeBufferPointer { step(pointers + [$0.baseAddress]) }
  }
  return step([])
}
