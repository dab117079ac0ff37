/// The values of one quantity over the repeats of a measurement, in the order measured.
package struct Samples: Equatable, Sendable {
  /// The values. A median needs at least one.
  package var values: [Double]

  /// The values as measured.
  package init(_ values: [Double]) {
    self.values = values
  }

  /// The middle value, or the mean of the two in the middle; nil without values.
  package var median: Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// The smallest and the largest value; nil without values.
  package var range: ClosedRange<Double>? {
    guard let least = values.min(), let most = values.max() else { return nil }
    return least...most
  }
}

/// How many times better `ours` is than `peer`. Above 1 this project does better, whatever the quantity.
///
/// The ratio of the medians, and the range of the ratios of pairs of repeats that were measured in turn.
/// - Returns: nil unless both have values, all are above zero, and more or less of them is better.
package func advantage(
  of ours: Samples, over peer: Samples, _ preference: Preference
) -> (median: Double, range: ClosedRange<Double>)? {
  guard preference != .neither, let our = ours.median, let their = peer.median,
    (ours.values + peer.values).allSatisfy({ $0 > 0 })
  else { return nil }
  func ratio(_ our: Double, _ their: Double) -> Double { preference == .more ? our / their : their / our }
  let pairs = Samples(zip(ours.values, peer.values).map(ratio))
  return pairs.range.map { (ratio(our, their), $0) }
}
