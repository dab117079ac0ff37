import CUDARuntime

/// A kernel of this program, with what all its launches have in common: the size of a block, and how much
/// shared memory it takes.
struct KernelHandle {
  private let kernel: CUDAKernel
  private let block: LaunchExtent
  /// Bytes of dynamic shared memory of a block, for heads of some size; other kernels do not look at that.
  let sharedBytes: (_ headDim: Int) -> Int

  /// The kernel `name`.
  /// - block: threads of a block; as the kernel's `__launch_bounds__`.
  /// - Throws: kind .other where no module has it.
  init(
    _ name: String, _ modules: KernelModules, block: Int,
    shared: @escaping (_ headDim: Int) -> Int = { _ in 0 }
  ) throws(CUDAError) {
    kernel = try modules.kernel(name)
    self.block = LaunchExtent(block)
    sharedBytes = shared
  }

  /// Queues the kernel; an extent with a 0 queues nothing. A failure is left with the device.
  /// - arguments: in the kernel's order, each of its parameter's size.
  func launch<each Argument: KernelArgument>(
    grid: LaunchExtent, headDim: Int = 0, _ arguments: repeat each Argument
  ) {
    kernel.launch(grid: grid, block: block, shared: sharedBytes(headDim), repeat each arguments)
  }
}

/// A kernel of both types of number that are computed with: `name_f32` and `name_bf16`.
struct TypedKernel {
  private let float32: KernelHandle, bfloat16: KernelHandle

  /// The kernels of either type.
  /// - Throws: kind .other where no module has one of them.
  init(
    _ name: String, _ modules: KernelModules, block: Int = 256,
    shared: @escaping (_ headDim: Int) -> Int = { _ in 0 }
  ) throws(CUDAError) {
    float32 = try KernelHandle("\(name)_f32", modules, block: block, shared: shared)
    bfloat16 = try KernelHandle("\(name)_bf16", modules, block: block, shared: shared)
  }

  /// The kernels from either type to one: `name_f32_type` and `name_bf16_type`.
  /// - Throws: kind .other where no module has one of them.
  init(from name: String, to type: String, _ modules: KernelModules) throws(CUDAError) {
    float32 = try KernelHandle("\(name)_f32_\(type)", modules, block: 256)
    bfloat16 = try KernelHandle("\(name)_bf16_\(type)", modules, block: 256)
  }

  /// The kernel for elements of `dtype`.
  subscript(dtype: DType) -> KernelHandle {
    switch dtype {
    case .float32: float32
    case .bfloat16: bfloat16
    case .int32, .uint8: preconditionFailure("TypedKernel: \(dtype) is not computed with")
    }
  }
}
