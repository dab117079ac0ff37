import Glibc

/// Wilson's 95 % interval for a share, 0 to 1, given `correct` of `count`; 0...1 where `count` is 0.
/// Source: Wilson 1927; z = 1.959964.
package func wilsonInterval(correct: Int, count: Int) -> ClosedRange<Double> {
  precondition(correct >= 0 && correct <= count, "wilsonInterval: \(correct) of \(count)")
  guard count > 0 else { return 0...1 }
  let (z, n) = (1.959964, Double(count))
  let p = Double(correct) / n
  let center = p + z * z / (2 * n)
  let half = z * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
  let scale = 1 + z * z / n
  // Rounding may give 0 of n a bound a hair below 0, and n of n one above 1.
  return max(0, (center - half) / scale)...min(1, (center + half) / scale)
}

/// Two runs on the same items: how many items only one of them has right.
package struct PairedOutcome: Equatable, Sendable {
  /// Number of items that both runs answered.
  package let count: Int
  /// Items that only the first run has right.
  package let onlyFirst: Int
  /// Items that only the second run has right.
  package let onlySecond: Int

  /// Counts over the ids in both. A value says whether the item was right.
  package init(_ first: [Int: Bool], _ second: [Int: Bool]) {
    let pairs = first.compactMap { id, right in second[id].map { (right, $0) } }
    count = pairs.count
    onlyFirst = pairs.count { $0.0 && !$0.1 }
    onlySecond = pairs.count { !$0.0 && $0.1 }
  }

  /// An outcome with these counts.
  package init(count: Int, onlyFirst: Int, onlySecond: Int) {
    precondition(
      onlyFirst >= 0 && onlySecond >= 0 && onlyFirst + onlySecond <= count,
      "PairedOutcome: \(onlyFirst) + \(onlySecond) of \(count)")
    self.count = count
    self.onlyFirst = onlyFirst
    self.onlySecond = onlySecond
  }

  /// The second run's share of right items less the first run's, -1 to 1; 0 without items.
  package var difference: Double { count == 0 ? 0 : Double(onlySecond - onlyFirst) / Double(count) }

  /// Two-sided p of McNemar's exact test that both runs are equally good. Only discordant items count.
  package var mcnemarP: Double {
    let (n, fewer) = (onlyFirst + onlySecond, min(onlyFirst, onlySecond))
    guard n > 0 else { return 1 }
    // In logarithms: 2^-n alone would be 0 from n = 1075.
    let whole = lgamma(Double(n) + 1) - Double(n) * log(2)
    let tail = (0...fewer).reduce(0.0) { sum, i in
      sum + exp(whole - lgamma(Double(i) + 1) - lgamma(Double(n - i) + 1))
    }
    return min(1, 2 * tail)
  }
}
