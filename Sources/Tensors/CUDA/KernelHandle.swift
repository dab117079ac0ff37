import CUDARuntime

/// A kernel of this program, with the numbers that all its launches share: the size of a block, and the bytes
/// of shared memory that it takes.
struct KernelHandle {
  private let kernel: CUDAKernel
  private let block: LaunchExtent
  /// Bytes of dynamic shared memory of a block, for heads of some size. Kernels outside attention ignore the
  /// size.
  let sharedBytes: (_ headDim: Int) -> Int

  /// The kernel `name`.
  /// - block: threads of a block, as in the kernel's `__launch_bounds__`.
  /// - Throws: kind .other if no module has it.
  init(
    _ name: String, _ modules: KernelModules, block: Int,
    shared: @escaping (_ headDim: Int) -> Int = { _ in 0 }
  ) throws(CUDAError) {
    kernel = try modules.kernel(name)
    self.block = LaunchExtent(block)
    sharedBytes = shared
  }

  /// Queues the kernel. An extent with a 0 queues nothing, and the device keeps a failure.
  /// - arguments: in the kernel's order, each of the size of its parameter.
  func launch<each Argument: KernelArgument>(
    grid: LaunchExtent, headDim: Int = 0, _ arguments: repeat each Argument
  ) {
    kernel.launch(grid: grid, block: block, shared: sharedBytes(headDim), repeat each arguments)
  }
}

/// A kernel for both dtypes that are computed with: `name_f32` and `name_bf16`.
struct TypedKernel {
  private let float32: KernelHandle, bfloat16: KernelHandle

  /// The kernels for both dtypes.
  /// - Throws: kind .other if no module has one of them.
  init(
    _ name: String, _ modules: KernelModules, block: Int = 256,
    shared: @escaping (_ headDim: Int) -> Int = { _ in 0 }
  ) throws(CUDAError) {
    float32 = try KernelHandle("\(name)_f32", modules, block: block, shared: shared)
    bfloat16 = try KernelHandle("\(name)_bf16", modules, block: block, shared: shared)
  }

  /// The kernels from both dtypes to one type: `name_f32_type` and `name_bf16_type`.
  /// - Throws: kind .other if no module has one of them.
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
