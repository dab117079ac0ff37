/// A block that goes back when this object ends: the owner of a tensor's storage on the device.
package final class CUDALease {
  /// What is lent.
  package let block: CUDABlock
  private let memory: CUDAMemory

  /// A block of `byteCount` bytes, as `CUDAMemory.block` gives it.
  package init(_ memory: CUDAMemory, _ byteCount: Int) {
    self.memory = memory
    block = memory.block(byteCount)
  }

  deinit { memory.takeBack(block) }
}
