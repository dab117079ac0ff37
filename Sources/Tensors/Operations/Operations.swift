/// The differentiable operations: kernels to compute with, and optionally a tape to record on.
///
/// Each operation is an extension in a file of its own, forward and backward side by side. Without a tape, or
/// when no input was watched, an operation only computes.
package struct Operations {
  /// The kernels that compute.
  package let kernels: any Kernels
  /// The tape that records; nil evaluates only.
  package let tape: Tape?

  /// Operations on `kernels`, recorded on `tape` if given.
  package init(_ kernels: any Kernels, tape: Tape? = nil) {
    self.kernels = kernels
    self.tape = tape
  }

  /// `output`, with its closure on the tape if any input is to be differentiated.
  func recorded(_ output: Tensor, from inputs: [Tensor], backward: @escaping (Tensor) -> Void) -> Tensor {
    guard let tape, inputs.contains(where: { $0.node != nil }) else { return output }
    return tape.record(output, backward: backward)
  }
}
