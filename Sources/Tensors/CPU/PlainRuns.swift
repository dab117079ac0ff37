/// `Replaying` without a capture: runs the work each time.
final class PlainRuns: Replaying {
  func paddedCount(_ count: Int) -> Int { count }
  func run(_ key: [Int], _ input: Tensor, _ body: (Tensor) -> Tensor) -> Tensor { body(input) }
}
