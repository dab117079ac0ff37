import Tensors

/// Where the micro-batches of an optimizer step leave the gradients of the trained parameters.
///
/// Gradients that several shares are summed in are float32. The weight of a linear map gets one share in each
/// micro-batch. If that weight is bfloat16 and a step is one micro-batch, its gradient is rounded to bfloat16, as the
/// gradients of the Hugging Face Trainer are.
package struct Gradients {
  /// One for each parameter, in their order and shapes.
  package let tensors: [Tensor]
  /// Those that several operations add to.
  private let sums: [Tensor]

  /// Matrices of fewer elements keep float32 gradients: at most a quarter of a megabyte each could be saved.
  package static let minimumBFloat16Count = 1 << 17

  /// Gradients of zero for optimizer steps of at most `microBatches` forward and backward passes.
  package init(_ parameters: [Parameter], microBatches: Int, _ kernels: any Kernels) {
    tensors = parameters.map { parameter in
      let shape = ParameterShape(parameter.name, parameter.role, parameter.tensor.shape)
      return kernels.zeros(
        shape.shape, Self.dtype(shape, parameter.tensor.dtype, microBatches: microBatches))
    }
    sums = zip(parameters, tensors).filter { !$0.0.role.isMatrixFactor }.map { $0.1 }
  }

  /// Prepares for the first micro-batch of a step. Its shares replace the gradients of matrices, so only the others are
  /// cleared. A matrix that gets no share keeps what it had, which in the first step is zero.
  package func begin(_ kernels: any Kernels) { sums.forEach(kernels.clear) }

  /// Bytes of the gradients of these parameters.
  package static func byteCount(_ parameters: [ParameterShape], _ dtype: DType, microBatches: Int) -> Int {
    parameters.reduce(0) { sum, parameter in
      sum + parameter.count * Self.dtype(parameter, dtype, microBatches: microBatches).byteCount
    }
  }

  private static func dtype(_ parameter: ParameterShape, _ dtype: DType, microBatches: Int) -> DType {
    microBatches == 1 && parameter.count >= minimumBFloat16Count && parameter.role.isMatrixFactor
      ? dtype : .float32
  }
}
