/// Memory of one kind of processor: makes tensors, and moves them from and to main memory.
package protocol MemoryKernels {
  /// Library, vector instructions and threads that compute, for the log.
  var summary: String { get }
  /// Where the tensors of this conformer are.
  var place: Place { get }

  /// A new, uninitialised tensor in `place`.
  func uninitialized(_ shape: Shape, _ dtype: DType) -> Tensor
  /// Makes all elements zero, in place.
  func clear(_ tensor: Tensor)
  /// The elements of a host tensor in `place`: the tensor itself if `place` is the host.
  func placed(_ tensor: Tensor) -> Tensor
  /// The elements in main memory, once all work on them is done: the tensor itself if it is there already.
  func onHost(_ tensor: Tensor) -> Tensor
  /// Begins to copy the elements to main memory. Later work goes on meanwhile.
  func fetch(_ tensor: Tensor) -> FetchedTensor
  /// Copies the elements of x over those of `target`, which has the same dtype and count.
  func copy(_ x: Tensor, to target: Tensor)
  /// Captures work once and replays it: a CUDA graph on a GPU, a plain call on the CPU.
  func replays() -> any Replaying
  /// Throws the first failure in `place` since the start. After a failure, calls that cannot throw do
  /// nothing.
  /// - Throws: `Fault` .unavailable.
  func check() throws
  /// The failure in `place` that is known without waiting for queued work; nil without one.
  var failure: DeviceFailure? { get }
  /// The most memory used so far, in bytes: of the device, or of this process.
  var peakMemoryBytes: Int { get }
}

extension MemoryKernels {
  /// A new tensor of zeros in `place`.
  package func zeros(_ shape: Shape, _ dtype: DType) -> Tensor {
    let tensor = uninitialized(shape, dtype)
    clear(tensor)
    return tensor
  }

  /// A copy with its own storage and without tape history.
  package func copied(_ tensor: Tensor) -> Tensor {
    let copy = uninitialized(tensor.shape, tensor.dtype)
    self.copy(tensor, to: copy)
    return copy
  }
}

/// A tensor on its way to main memory.
package struct FetchedTensor {
  private let read: () -> Tensor

  /// `read` gives the elements, and may wait for them.
  init(_ read: @escaping () -> Tensor) { self.read = read }

  /// The elements in main memory; waits for them, but not for work that was queued later.
  package var tensor: Tensor { read() }
}
