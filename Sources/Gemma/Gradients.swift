import Tensors

/// Where the passes of an optimizer step leave the gradients of the trained parameters.
///
/// Float32, where several shares are summed. But a linear map's weight gets one share in each pass: if it is bfloat16 and
/// a step is one pass, its gradient is rounded to bfloat16, as the Hugging Face Trainer's are.
package struct Gradients {
  /// One for each parameter, in their order and shapes.
  package let tensors: [Tensor]
  /// Those that several operations add to.
  private let sums: [Tensor]

  /// Matrices of fewer elements keep float32 gradients: at most a quarter of a megabyte each could be saved.
  package static let minimumBFloat16Count = 1 << 17

  /// Gradients of zero for steps of `passes` forward passes.
  package init(
    _ parameters: [(name: String, tensor: Tensor)], passes: Int, _ kernels: any Kernels
  ) {
    tensors = parameters.map { name, tensor in
      kernels.zeros(tensor.shape, Self.dtype(name, tensor.shape, tensor.dtype, passes: passes))
    }
    sums = zip(parameters, tensors).filter { !WeightNames.isMatrixFactor($0.0.name) }.map { $0.1 }
  }

  /// Makes ready for the first pass of a step, whose shares replace the gradients of matrices: one that gets none keeps
  /// what it had, in the first step zero.
  package func begin(_ kernels: any Kernels) { sums.forEach(kernels.clear) }

  /// Bytes of the gradients of these parameters.
  package static func byteCount(
    _ parameters: [(name: String, shape: Shape)], _ dtype: DType, passes: Int
  ) -> Int {
    parameters.reduce(0) { sum, parameter in
      let gradient = Self.dtype(parameter.name, parameter.shape, dtype, passes: passes)
      return sum + parameter.shape.reduce(1, *) * gradient.byteCount
    }
  }

  private static func dtype(_ name: String, _ shape: Shape, _ dtype: DType, passes: Int) -> DType {
    let isLarge = shape.reduce(1, *) >= minimumBFloat16Count
    return passes == 1 && isLarge && WeightNames.isMatrixFactor(name) ? dtype : .float32
  }
}
