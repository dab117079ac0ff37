import Files
import Gemma
import Tensors

/// A distribution of lengths, linear between its quantiles.
struct Quantiles {
  /// Shares from 0 to 1, each with the length that this share of all lengths is below.
  let points: [(share: Double, length: Double)]

  /// `count` lengths in ascending order: the middle of each of `count` equal parts of the distribution.
  func values(_ count: Int) -> [Int] {
    (0..<count).map { index in
      let share = (Double(index) + 0.5) / Double(count)
      let next = points.firstIndex { $0.share >= share } ?? points.count - 1
      let (low, high) = (points[max(0, next - 1)], points[next])
      let part = (share - low.share) / max(1e-9, high.share - low.share)
      return Int((low.length + (high.length - low.length) * part).rounded())
    }
  }
}
