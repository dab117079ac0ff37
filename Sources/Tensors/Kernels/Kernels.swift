/// What computes: one conformer for each kind of processor, chosen once at start.
///
/// Four protocols are the parts of it. Code that needs one part takes that part. The CPU conformer is also
/// the reference that others are tested against. All tensors are in the conformer's place. bfloat16 inputs
/// are widened, sums are float32, results are rounded once to the output's dtype. Sums that reach a result
/// have a fixed order: the same call gives the same bits, whatever the number of threads. A wrong shape stops
/// the program in `Requirements`, with a message that names the operation.
package protocol Kernels: MemoryKernels, OperationKernels, VocabularyKernels, OptimizerKernels {}

extension Place {
  /// The kernels that compute there: for what a plan asks before any are made.
  package var kernels: any Kernels.Type {
    switch self {
    case .host: CPUKernels.self
    case .device: CUDAKernels.self
    }
  }
}
