import Tensors

/// What a tensor that goes into a case holds. A description, so that no memory is used before a case runs.
package enum CaseInput: Sendable {
  /// Uniform numbers in ±amplitude.
  case random(Shape, DType, amplitude: Float)
  /// int32 [count].
  case ints([Int])
  /// float32 [count].
  case floats([Float])

  /// Uniform numbers in ±1.
  package static func random(_ shape: Shape, _ dtype: DType) -> CaseInput {
    .random(shape, dtype, amplitude: 1)
  }

  /// A weight [output, input] whose products are about as large as what they multiply.
  package static func weight(_ output: Int, _ input: Int, _ dtype: DType) -> CaseInput {
    .random([output, input], dtype, amplitude: Float(3 / Double(input)).squareRoot())
  }

  /// A new host tensor. Random numbers depend on `stream` and nothing else.
  package func tensor(stream: UInt64) -> Tensor {
    switch self {
    case .random(let shape, let dtype, let amplitude):
      let key = RandomKey(seed: 20, stream: stream)
      let tensor = Tensor(uninitialized: shape, dtype)
      for index in 0..<tensor.count {
        let number = (2 * key.uniform(at: UInt64(index)) - 1) * amplitude
        switch dtype {
        case .bfloat16: tensor.bfloat16[index] = roundedToBFloat16(number)
        default: tensor.float32[index] = number
        }
      }
      return tensor
    case .ints(let numbers): return Tensor(numbers.map { Int32($0) })
    case .floats(let numbers): return Tensor(numbers, [numbers.count])
    }
  }
}
