import Glibc

/// The cross-entropy of a soft-max over capped logits, in float64.
struct CrossEntropyTruth {
  /// Of each target, in nats.
  let losses: [Double]
  /// Soft-max less one at the target, times the slope of the cap: [M, V].
  private let slopes: Numbers

  /// Logits hidden · tableᵀ against `targets`.
  init(_ hidden: Numbers, _ table: Numbers, _ targets: [Int], _ softCap: Float?) {
    let logits = Numbers([hidden.height, table.height], product(hidden, table.transposed))
    var (losses, slopes) = ([Double](), [Double]())
    for (row, target) in targets.enumerated() {
      let logits = logits.row(row).map { capped($0, softCap) }
      let sum = logSum(logits.map(\.value))
      losses.append(sum - logits[target].value)
      for (index, logit) in logits.enumerated() {
        slopes.append((exp(logit.value - sum) - (index == target ? 1 : 0)) * logit.slope)
      }
    }
    self.losses = losses
    self.slopes = Numbers(logits.shape, slopes)
  }

  /// The gradient of `scale` times the summed loss with respect to the logits.
  func dLogits(_ scale: Double) -> Numbers { Numbers(slopes.shape, slopes.values.map { $0 * scale }) }
}

/// The place of the largest number of each row; the first of equal ones.
func largestPlaces(_ x: Numbers) -> [Double] {
  (0..<x.height).map { row in
    let numbers = Array(x.row(row))
    return Double(numbers.indices.reduce(0) { numbers[$1] > numbers[$0] ? $1 : $0 })
  }
}
