/// A block of device memory that is given back when this object ends. It owns the storage of a device tensor.
package final class CUDALease {
  /// The block.
  package let block: CUDABlock
  private let memory: CUDAMemory

  /// A block of `byteCount` bytes, allocated by `CUDAMemory.block`.
  package init(_ memory: CUDAMemory, _ byteCount: Int) {
    self.memory = memory
    block = memory.block(byteCount)
  }

  deinit { memory.takeBack(block) }
}
