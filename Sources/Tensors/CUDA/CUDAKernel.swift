import CCUDA

/// What a kernel may be given: scalars of the size that the kernel declares, and device addresses (or 0 for
/// none) as `UInt64`. `Int` is none of them, so that a 32-bit parameter never gets 64 bits.
package protocol KernelArgument: BitwiseCopyable {}

extension Int32: KernelArgument {}
extension UInt32: KernelArgument {}
extension Int64: KernelArgument {}
extension UInt64: KernelArgument {}
extension Float: KernelArgument {}
extension Double: KernelArgument {}

/// Numbers of blocks, or of threads, in up to three dimensions.
package struct LaunchExtent: Equatable, Sendable, ExpressibleByIntegerLiteral {
  /// Along each dimension.
  package var x: Int, y: Int, z: Int

  /// `x`, by `y`, by `z`.
  package init(_ x: Int, _ y: Int = 1, _ z: Int = 1) {
    self.x = x
    self.y = y
    self.z = z
  }

  package init(integerLiteral value: Int) { self.init(value) }

  /// Enough blocks of `block` threads for `count` elements, at most `most`: for kernels that stride over the
  /// rest.
  package static func covering(_ count: Int, block: Int, most: Int = 65_536) -> LaunchExtent {
    LaunchExtent(min(most, (count + block - 1) / block))
  }
}

/// A kernel on the device.
package final class CUDAKernel {
  /// As in its file.
  package let name: String
  private let function: UnsafeMutableRawPointer
  private let device: CUDADevice
  /// Dynamic shared memory that launches may have; more must be asked for.
  private var sharedLimit = 48 << 10
  private var isChecked = false

  init(_ name: String, _ function: UnsafeMutableRawPointer, _ device: CUDADevice) {
    self.name = name
    self.function = function
    self.device = device
  }

  /// Queues the kernel; an extent with a 0 queues nothing. A failure is left with the device.
  /// - shared: dynamic shared memory in bytes.  - arguments: in the kernel's order, each of its parameter's
  ///   size.
  package func launch<each Argument: KernelArgument>(
    grid: LaunchExtent, block: LaunchExtent, shared: Int = 0, _ arguments: repeat each Argument
  ) {
    guard device.failure == nil, grid.x > 0, grid.y > 0, grid.z > 0 else { return }
    if shared > sharedLimit { raiseSharedLimit(to: shared) }
    // On the stack: an array of pointers, then the values that they point to.
    withUnsafeTemporaryAllocation(byteCount: 2 * areaByteCount, alignment: 16) { memory in
      var area = ArgumentArea(memory)
      repeat area.append(each arguments)
      if !isChecked { check(area) }
      device.attempt(name) {
        device.driver.call.pointee.cuLaunchKernel(
          function, UInt32(grid.x), UInt32(grid.y), UInt32(grid.z), UInt32(block.x), UInt32(block.y),
          UInt32(block.z), UInt32(shared), device.stream, area.pointers, nil)
      }
    }
  }

  private func raiseSharedLimit(to byteCount: Int) {
    device.attempt("cuFuncSetAttribute(\(name), \(byteCount) bytes of shared memory)") {
      device.driver.call.pointee.cuFuncSetAttribute(
        function, Int32(CC_FUNCTION_MAX_DYNAMIC_SHARED), Int32(byteCount))
    }
    sharedLimit = byteCount
  }

  /// Compares the arguments' number and sizes with the kernel's, at its first launch, where the driver tells
  /// them.
  private func check(_ area: ArgumentArea) {
    isChecked = true
    guard let information = device.driver.call.pointee.cuFuncGetParamInfo else { return }
    for index in 0...area.count {
      var offset = 0
      var size = 0
      let exists = information(function, index, &offset, &size) == 0
      let given = index < area.count ? area.size(index) : nil
      if (exists ? size : nil) == given { continue }
      device.record(
        CUDAError(
          call: name, code: 1, name: "CUDA_ERROR_INVALID_VALUE",
          text: "argument \(index) has \(given ?? 0) bytes, the kernel's has \(exists ? size : 0)",
          kind: .other))
      return
    }
  }
}

/// Bytes of the pointers, and of the values: 64 arguments of 8 bytes.
private let areaByteCount = 512

/// The arguments of a launch, in memory that the caller keeps.
private struct ArgumentArea {
  let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let values: UnsafeMutableRawPointer
  private(set) var count = 0
  private var sizes = InlineSizes()

  init(_ memory: UnsafeMutableRawBufferPointer) {
    guard let start = memory.baseAddress else { preconditionFailure("ArgumentArea: no memory") }
    pointers = start.bindMemory(to: UnsafeMutableRawPointer?.self, capacity: areaByteCount / 8)
    values = start + areaByteCount
  }

  mutating func append<Argument: KernelArgument>(_ argument: Argument) {
    precondition(count < areaByteCount / 8 && MemoryLayout<Argument>.size <= 8, "launch: too many arguments")
    let place = values + 8 * count
    place.storeBytes(of: argument, as: Argument.self)
    (pointers + count).initialize(to: place)
    sizes.set(count, is64Bit: MemoryLayout<Argument>.size == 8)
    count += 1
  }

  /// Bytes of argument `index`.
  func size(_ index: Int) -> Int { sizes.is64Bit(index) ? 8 : 4 }
}

/// Whether each of 64 arguments has 8 bytes and not 4.
private struct InlineSizes {
  private var bits: UInt64 = 0
  mutating func set(_ index: Int, is64Bit: Bool) { if is64Bit { bits |= 1 << UInt64(index) } }
  func is64Bit(_ index: Int) -> Bool { bits >> UInt64(index) & 1 == 1 }
}
