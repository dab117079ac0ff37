import Tensors

/// How far one result of a case may lie from what it is compared with.
package struct CaseTolerance: Sendable {
  /// Of a real GPU from the CPU, element by element.
  package var gpu: Tolerance
  /// Of the simulated GPU from the CPU: the largest difference over the largest value.
  package var simulated: Double
  /// Of any conformer from the truth in float64: the largest difference over the largest value.
  package var truth: Double

  /// The three of them.
  package init(gpu: Tolerance, simulated: Double, truth: Double) {
    self.gpu = gpu
    self.simulated = simulated
    self.truth = truth
  }

  /// The tolerance of a result of this dtype, where a case names no other.
  ///
  /// float32: sums of n products lie within some √n · 6e-8 of the truth, and two conformers add in another
  /// order; 2e-6 holds up to a thousand products. bfloat16: 8 significant bits, so that one rounding moves a
  /// value by at most 2⁻⁸ of itself, and two conformers may round to either side. Whole numbers: equal.
  package init(_ dtype: DType) {
    switch dtype {
    case .float32: self.init(gpu: .float32, simulated: 1e-5, truth: 2e-6)
    case .bfloat16: self.init(gpu: .bfloat16, simulated: 1.0 / 128, truth: 0x1p-8 * 1.01)
    case .int32, .uint8: self = .exact
    }
  }

  /// No element differs: what only moves, widens or doubles elements.
  package static let exact = CaseTolerance(gpu: .exact, simulated: 0, truth: 0)
}

/// The largest difference between a result and the truth over the truth's largest value.
///
/// - Returns: infinite for NaN, and where counts differ.
package func largestError(of result: [Float], from truth: [Double]) -> Double {
  guard result.count == truth.count else { return .infinity }
  let largest = max(truth.reduce(0) { max($0, abs($1)) }, 1e-30)
  var most = 0.0
  for (value, truth) in zip(result, truth) {
    let error = abs(Double(value) - truth) / largest
    guard !error.isNaN else { return .infinity }
    most = max(most, error)
  }
  return most
}
