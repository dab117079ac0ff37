/// The differentiable operations: kernels to compute with, and perhaps a tape to record on.
///
/// Each operation lives in a file of its own as an extension, forward and backward side by side. Without a
/// tape, or when no input was watched, an operation only computes.
package struct Operations {
  /// What computes.
  package let kernels: any Kernels
  /// Where operations are recorded; nil evaluates only.
  package let tape: Tape?

  /// Operations on `kernels`, recorded on `tape` when there is one.
  package init(_ kernels: any Kernels, tape: Tape? = nil) {
    self.kernels = kernels
    self.tape = tape
  }

  /// `output` with its closure on the tape if any input is to be differentiated, else as it is.
  func recorded(_ output: Tensor, from inputs: [Tensor], backward: @escaping (Tensor) -> Void) -> Tensor {
    guard let tape, inputs.contains(where: { $0.node != nil }) else { return output }
    return tape.record(output, backward: backward)
  }
}
