import CCUDA

/// Properties of the chosen device.
package struct CUDADeviceProperties: Equatable, Sendable {
  /// Number of the device among those that the driver shows.
  package var ordinal: Int
  /// Such as "NVIDIA H200".
  package var name: String
  /// Compute capability, such as 9.0.
  package var capability: CUDAVersion
  /// Streaming multiprocessors.
  package var multiprocessorCount: Int
  /// The most shared memory of one block, in bytes.
  package var sharedMemoryPerBlock: Int
  /// Memory of the device, in bytes.
  package var totalMemory: Int

  /// Capability in the form of an architecture: 90 for 9.0.
  package var architecture: Int { capability.major * 10 + capability.minor }
}

extension CUDADeviceProperties {
  /// The properties of device `ordinal`, which the driver reports.
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
