/// The computations of one kind of processor: one conformer each for the CPU and for CUDA, chosen once at
/// start.
///
/// It has four parts, each a protocol; code that needs one part takes only that part. The CPU conformer is
/// the reference that others are tested against. All tensors are in the conformer's place. bfloat16 inputs
/// are widened, sums are float32, and results are rounded once to the output's dtype. Sums that reach a
/// result have a fixed order: the same call gives the same bits, whatever the number of threads. A wrong
/// shape stops the program in `Requirements`, with a message that names the operation.
package protocol Kernels: MemoryKernels, OperationKernels, VocabularyKernels, OptimizerKernels {}

extension Place {
  /// The kernels of this place as a type, which a plan can ask before any kernels are made.
  package var kernels: any Kernels.Type {
    switch self {
    case .host: CPUKernels.self
    case .device: CUDAKernels.self
    }
  }
}
