import Tensors

/// How far an element of one conformer's result may lie from that of another.
package enum Tolerance: Sendable {
  /// 1e-4 of the value and 1e-5 of the results' size: float32 sums in another order.
  case float32
  /// 2⁻⁷ of the value, one step of bfloat16, and 2⁻⁸ of the largest value, for what is rounded on the way.
  case bfloat16
  /// No element differs.
  case exact
  /// Of 1,000 codes one differs, by one step: reciprocals and roots are approximate on a GPU.
  case codes

  /// The tolerance of a result that is rounded once to `dtype`.
  package init(_ dtype: DType) {
    switch dtype {
    case .float32: self = .float32
    case .bfloat16: self = .bfloat16
    case .int32, .uint8: self = .exact
    }
  }

  /// The largest difference in units of what is allowed: at most 1 is agreement. NaN never agrees.
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
