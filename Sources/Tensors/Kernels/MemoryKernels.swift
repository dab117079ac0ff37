/// Memory of one kind of processor: makes tensors, and moves them from and to main memory.
package protocol MemoryKernels {
  /// What computes, for the log: library, vector instructions, threads.
  var summary: String { get }
  /// Where the tensors of this conformer are.
  var place: Place { get }

  /// A new tensor in `place`, not initialised.
  func uninitialized(_ shape: Shape, _ dtype: DType) -> Tensor
  /// Makes all elements zero, in place.
  func clear(_ tensor: Tensor)
  /// The elements of a host tensor in `place`: the tensor itself where that is the host.
  func placed(_ tensor: Tensor) -> Tensor
  /// The elements in main memory, once all work on them is done: the tensor itself where it is there.
  func onHost(_ tensor: Tensor) -> Tensor
  /// Begins to bring the elements to main memory, while later work goes on.
  func fetch(_ tensor: Tensor) -> FetchedTensor
  /// Writes the elements of x over those of `target`, of the same dtype and count.
  func copy(_ x: Tensor, to target: Tensor)
  /// Captures work once and replays it: a CUDA graph on a GPU, a plain call on the CPU.
  func replays() -> any Replaying
  /// Throws what has gone wrong in `place` since the start: calls that cannot throw do nothing from then on.
  /// - Throws: `Fault` .unavailable.
  func check() throws
  /// What has gone wrong in `place` and is known without waiting for queued work; nil without a failure.
  var failure: DeviceFailure? { get }
  /// The most memory that was used so far, in bytes: of the device, or of this process.
  var peakMemoryBytes: Int { get }
}

extension MemoryKernels {
  /// A new tensor of zeros in `place`.
  package func zeros(_ shape: Shape, _ dtype: DType) -> Tensor {
    let tensor = uninitialized(shape, dtype)
    clear(tensor)
    return tensor
  }

  /// A copy with its own storage, without history.
  package func copied(_ tensor: Tensor) -> Tensor {
    let copy = uninitialized(tensor.shape, tensor.dtype)
    self.copy(tensor, to: copy)
    return copy
  }
}

/// A tensor on its way to main memory.
package struct FetchedTensor {
  private let read: () -> Tensor

  /// What `read` gives, which may wait.
  init(_ read: @escaping () -> Tensor) { self.read = read }

  /// The elements in main memory; waits for them, but not for work that was queued later.
  package var tensor: Tensor { read() }
}
