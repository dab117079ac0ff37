import CCUDA
import Files

/// Requirements on a machine, and the messages when it does not meet them. All of these are `Fault`
/// .unavailable.
extension CUDALibraries {
  /// The oldest capability that is supported: Ampere, the first with bfloat16.
  static let oldestCapability = CUDAVersion(8, 0)

  /// A driver that exists, is new enough, and starts.
  func startedDriver() throws -> CUDADriver {
    guard let driver else {
      throw Fault(
        .unavailable,
        "cuda: no NVIDIA driver: libcuda.so.1 not found\(looked(for: "libcuda")); expected the driver of "
          + "CUDA \(Self.oldestDriver) or newer",
        hint: "install NVIDIA's driver (525 or newer), or set device: cpu")
    }
    guard driver.version >= Self.oldestDriver else {
      throw Fault(
        .unavailable,
        "cuda: the NVIDIA driver is too old: \(driver.file) is of CUDA \(driver.version); expected "
          + "\(Self.oldestDriver) or newer",
        hint: "update NVIDIA's driver (525 or newer), or set device: cpu")
    }
    let code = driver.call.pointee.cuInit(0)
    guard code == 0 else {
      throw Fault(
        .unavailable,
        "cuda: no GPU that works: found \(driver.file) (CUDA \(driver.version)), but "
          + "\(driver.error(code, "cuInit").result)",
        hint: "nvidia-smi shows what the driver sees; set device: cpu to do without")
    }
    return driver
  }

  /// The first device that is new enough.
  func chosenDevice(_ driver: CUDADriver) throws -> CUDADeviceProperties {
    var count: Int32 = 0
    try driver.check(driver.call.pointee.cuDeviceGetCount(&count), "cuDeviceGetCount")
    let devices = try (0..<count).map { try CUDADeviceProperties(driver, ordinal: $0) }
    if let device = devices.first(where: { $0.capability >= Self.oldestCapability }) { return device }
    guard !devices.isEmpty else {
      throw Fault(
        .unavailable,
        "cuda: no GPU: found \(driver.file) (CUDA \(driver.version)), which shows no device",
        hint: "nvidia-smi shows what the driver sees; set device: cpu to do without")
    }
    let list = devices.map { "\($0.name) has compute capability \($0.capability)" }
    throw Fault(
      .unavailable,
      "cuda: the GPU is too old: \(list.joined(separator: ", ")); expected \(Self.oldestCapability) or newer",
      hint: "set device: cpu to do without")
  }

  /// A compiler whose output the driver can run.
  func requiredCompiler(for device: CUDADeviceProperties, _ driver: CUDADriver) throws -> CUDACompiler {
    if let compiler { return compiler }
    let majors = Self.majors.filter { $0 <= driver.version.major }
    let names = majors.map { "libnvrtc.so.\($0)" }.joined(separator: " or ")
    let package = driver.version.major >= 13 ? "nvidia-cuda-nvrtc" : "nvidia-cuda-nvrtc-cu12"
    throw Fault(
      .unavailable,
      "cuda: no compiler for kernels: found \(device.name) and \(driver.file) (CUDA \(driver.version)), but not "
        + "NVRTC\(looked(for: "libnvrtc")); expected \(names)",
      hint: "pip install \(package), or name the folder that holds it in \(LibraryPlaces.key)")
  }

  /// The message that own kernels compute the matrix products because cuBLASLt is missing; nil if it is not.
  package var matmulNote: String? {
    guard matmul == nil else { return nil }
    return "cuda: cuBLASLt not found\(looked(for: "libcublasLt")); "
      + "matrix products are computed by own kernels, which are slower"
  }
}
