import CCUDA

/// What the chosen device is.
package struct CUDADeviceProperties: Equatable, Sendable {
  /// Its number among those that the driver shows.
  package var ordinal: Int
  /// Such as "NVIDIA H200".
  package var name: String
  /// Compute capability, such as 9.0.
  package var capability: CUDAVersion
  /// Streaming multiprocessors.
  package var multiprocessorCount: Int
  /// The most shared memory of one block, in bytes.
  package var sharedMemoryPerBlock: Int
  /// Of the device, in bytes.
  package var totalMemory: Int

  /// Capability as architectures are named: 90 for 9.0.
  package var architecture: Int { capability.major * 10 + capability.minor }
}

extension CUDADeviceProperties {
  /// What the driver says of device `ordinal`.
  init(_ driver: CUDADriver, ordinal: Int32) throws(CUDAError) {
    let call = driver.call.pointee
    var device: Int32 = 0
    try driver.check(call.cuDeviceGet(&device, ordinal), "cuDeviceGet")
    func attribute(_ number: Int) throws(CUDAError) -> Int {
      var value: Int32 = 0
      try driver.check(call.cuDeviceGetAttribute(&value, Int32(number), device), "cuDeviceGetAttribute")
      return Int(value)
    }
    var characters = [CChar](repeating: 0, count: 256)
    try driver.check(call.cuDeviceGetName(&characters, Int32(characters.count), device), "cuDeviceGetName")
    var bytes = 0
    try driver.check(call.cuDeviceTotalMem(&bytes, device), "cuDeviceTotalMem")
    self.ordinal = Int(ordinal)
    name = String(
      decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    capability = CUDAVersion(
      try attribute(CC_COMPUTE_CAPABILITY_MAJOR), try attribute(CC_COMPUTE_CAPABILITY_MINOR))
    multiprocessorCount = try attribute(CC_MULTIPROCESSOR_COUNT)
    sharedMemoryPerBlock = try attribute(CC_MAX_SHARED_MEMORY_PER_BLOCK)
    totalMemory = bytes
  }
}
