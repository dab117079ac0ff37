import Files
import Tensors

/// How far a result may lie from the reference.
package enum Tolerance: Sendable {
  /// 1e-4 of the value and 1e-5 of the results' size: float32 sums in another order.
  case float32
  /// 2⁻⁷ of the value, one step of bfloat16, and 2⁻⁸ of the largest value, for what is rounded on the way.
  case bfloat16
  /// No element differs.
  case exact
  /// Of 1,000 codes one differs, by one step: reciprocals and roots are approximate on a GPU.
  case codes

  /// What comes of a dtype by itself.
  init(_ dtype: DType) {
    switch dtype {
    case .float32: self = .float32
    case .bfloat16: self = .bfloat16
    case .int32, .uint8: self = .exact
    }
  }

  /// The largest difference in units of what is allowed: at most 1 is agreement. A number that is none never agrees.
  package func error(of results: [Float], from reference: [Float]) -> Double {
    guard results.count == reference.count else { return .infinity }
    let differences = zip(results, reference).map { abs(Double($0) - Double($1)) }
    switch self {
    case .float32:
      return Self.largest(differences, reference, relative: 1e-4, absolute: 1e-5 * max(1, size(reference)))
    case .bfloat16:
      let most = Double(reference.map(abs).max() ?? 0)
      return Self.largest(differences, reference, relative: 0x1p-7, absolute: 0x1p-8 * most)
    case .exact: return differences.allSatisfy { $0 == 0 } ? 0 : .infinity
    case .codes:
      guard differences.allSatisfy({ $0 <= 1 }) else { return .infinity }
      return Double(differences.count { $0 > 0 }) / (Double(max(1, differences.count)) / 1000)
    }
  }

  private static func largest(
    _ differences: [Double], _ reference: [Float], relative: Double, absolute: Double
  ) -> Double {
    var most = 0.0
    for (difference, value) in zip(differences, reference) {
      let error = difference == 0 ? 0 : difference / (absolute + relative * abs(Double(value)))
      guard !error.isNaN else { return .infinity }
      most = max(most, error)
    }
    return most
  }

  /// Root of the mean square.
  private func size(_ values: [Float]) -> Double {
    let sum = values.reduce(0.0) { $0 + Double($1) * Double($1) }
    return (sum / Double(max(1, values.count))).squareRoot()
  }
}

/// One result of an operation, and how far it may be off.
struct AgreementResult {
  let tensor: Tensor
  let tolerance: Tolerance

  /// A result with the tolerance of its dtype, or another.
  init(_ tensor: Tensor, _ tolerance: Tolerance? = nil) {
    self.tensor = tensor
    self.tolerance = tolerance ?? Tolerance(tensor.dtype)
  }
}

/// An operation on inputs that are the same wherever it is computed.
struct AgreementCase {
  let name: String
  let dtype: DType
  let compute: (AgreementInputs) -> [AgreementResult]

  /// The largest difference between what `kernels` and `reference` compute, in units of what is allowed.
  /// - Throws: `Fault` where `kernels` failed.
  func error(_ kernels: any Kernels, _ reference: any Kernels) throws -> Double {
    let expected = compute(AgreementInputs(reference, dtype))
    let results = compute(AgreementInputs(kernels, dtype))
    let errors = zip(results, expected).map { result, expected in
      expected.tolerance.error(
        of: kernels.onHost(result.tensor).floats, from: reference.onHost(expected.tensor).floats)
    }
    try kernels.check()
    return errors.max() ?? 0
  }
}

/// Inputs of one case, in the place of its kernels: each call gives the next tensor of a fixed sequence.
final class AgreementInputs {
  let kernels: any Kernels
  /// Of activations and weights.
  let dtype: DType
  private var stream: UInt64 = 100

  /// The sequence's beginning.
  init(_ kernels: any Kernels, _ dtype: DType) {
    self.kernels = kernels
    self.dtype = dtype
  }

  /// Uniform numbers in ±`amplitude`, of the case's dtype or another.
  func random(_ shape: Shape, _ dtype: DType? = nil, amplitude: Float = 1) -> Tensor {
    stream += 1
    let numbers = randomTensor(shape, .float32, stream)
    for index in 0..<numbers.count { numbers.float32[index] *= amplitude }
    let host = CPUKernels(threads: 1)
    return kernels.placed(host.converted(numbers, to: dtype ?? self.dtype, scale: 1))
  }

  /// A weight whose products are about as large as what they multiply.
  func weight(_ output: Int, _ input: Int, _ dtype: DType? = nil) -> Tensor {
    random([output, input], dtype, amplitude: Float(3 / Double(input)).squareRoot())
  }

  /// Whole numbers.
  func ints(_ numbers: some Sequence<Int>) -> Tensor { kernels.placed(Tensor(numbers.map { Int32($0) })) }

  /// float32 zeros, to be added to.
  func zeros(_ shape: Shape) -> Tensor { kernels.zeros(shape, .float32) }
}
