import CCUDA

/// A kernel on the device.
@usableFromInline
package final class CUDAKernel {
  /// The name in the kernel's file.
  package let name: String
  private let function: UnsafeMutableRawPointer
  private let device: CUDADevice
  /// Dynamic shared memory that a launch may use, in bytes. More must be requested.
  private var sharedLimit = 48 << 10
  /// False before the first launch.
  private var isPrepared = false

  init(_ name: String, _ function: UnsafeMutableRawPointer, _ device: CUDADevice) {
    self.name = name
    self.function = function
    self.device = device
  }

  /// Queues the kernel. An extent with a 0 queues nothing, and the device keeps a failure.
  /// - shared: dynamic shared memory in bytes.  - arguments: in the kernel's order, each of the size of its
  ///   parameter.
  @inlinable
  package func launch<each Argument: KernelArgument>(
    grid: LaunchExtent, block: LaunchExtent, shared: Int = 0, _ arguments: repeat each Argument
  ) {
    // On the stack: an array of pointers, then the values that they point to.
    withUnsafeTemporaryAllocation(byteCount: ArgumentArea.byteCount, alignment: 16) { memory in
      var area = ArgumentArea(memory)
      repeat area.append(each arguments)
      queue(grid, block, shared, area)
    }
  }

  /// Queues the kernel with the arguments that `launch` has written.
  @usableFromInline
  package func queue(_ grid: LaunchExtent, _ block: LaunchExtent, _ shared: Int, _ arguments: ArgumentArea) {
    guard device.failure == nil, grid.x > 0, grid.y > 0, grid.z > 0 else { return }
    if !isPrepared { prepare(arguments) }
    if shared > sharedLimit { raiseSharedLimit(to: shared) }
    device.attempt(name) {
      device.driver.call.pointee.cuLaunchKernel(
        function, UInt32(grid.x), UInt32(grid.y), UInt32(grid.z), UInt32(block.x), UInt32(block.y),
        UInt32(block.z), UInt32(shared), device.stream, arguments.pointers, nil)
    }
  }

  private func raiseSharedLimit(to byteCount: Int) {
    device.attempt("cuFuncSetAttribute(\(name), \(byteCount) bytes of shared memory)") {
      device.driver.call.pointee.cuFuncSetAttribute(
        function, Int32(CC_FUNCTION_MAX_DYNAMIC_SHARED), Int32(byteCount))
    }
    sharedLimit = byteCount
  }

  /// Loads the code and checks the arguments, before the first launch.
  private func prepare(_ arguments: ArgumentArea) {
    isPrepared = true
    // The driver loads a function's code when it is first asked about the function.
    device.attempt("cuFuncGetAttribute(\(name))") {
      var registers: Int32 = 0
      return device.driver.call.pointee.cuFuncGetAttribute(
        &registers, Int32(CC_FUNCTION_REGISTERS), function)
    }
    check(arguments)
  }

  /// Compares number and sizes of the arguments with the kernel's parameters, if the driver reports those.
  private func check(_ area: ArgumentArea) {
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
