import Tensors

/// Gradients of the trained parameters, which the micro-batches of an optimizer step add up.
///
/// A gradient that sums several shares is float32. The weight of a linear map gets one share in each
/// micro-batch. If that weight is bfloat16 and a step has one micro-batch, its gradient is rounded to
/// bfloat16, like the gradients of the Hugging Face Trainer.
package struct Gradients {
  /// One gradient for each parameter, in the order and with the shapes of the parameters.
  package let tensors: [Tensor]
  /// The gradients that several operations add to.
  private let sums: [Tensor]

  /// Matrices of fewer elements keep float32 gradients, since bfloat16 could save at most 256 KiB of each.
  package static let minimumBFloat16Count = 1 << 17

  /// Gradients of zero for optimizer steps of at most `microBatches` micro-batches.
  package init(_ parameters: [Parameter], microBatches: Int, _ kernels: any Kernels) {
    tensors = parameters.map { parameter in
      let shape = ParameterShape(parameter.name, parameter.role, parameter.tensor.shape)
      return kernels.zeros(
        shape.shape, Self.dtype(shape, parameter.tensor.dtype, microBatches: microBatches))
    }
    sums = zip(parameters, tensors).filter { !$0.0.role.isMatrixFactor }.map { $0.1 }
  }

  /// Prepares for the first micro-batch of a step. Its shares replace the gradients of matrices, so only the
  /// others are cleared. A matrix that gets no share keeps its old gradient, which in the first step is zero.
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
