/// Work that is done again and again with other inputs, such as the steps of a decoder.
///
/// A GPU's conformer records what `body` queues and replays it; the CPU's runs it each time.
package protocol Replaying: AnyObject {
  /// What a count of rows is rounded up to, so that a few recordings serve many counts.
  func paddedCount(_ count: Int) -> Int

  /// What `body` gives for `input`.
  ///
  /// With one key, `body` must queue the same work for every input, which has the same shape each time, and must read
  /// nothing else that changes or that ends before this object does.
  /// - Returns: a result that holds until the next run with that key.
  func run(_ key: [Int], _ input: Tensor, _ body: (Tensor) -> Tensor) -> Tensor
}

/// Runs the work each time.
final class PlainRuns: Replaying {
  func paddedCount(_ count: Int) -> Int { count }
  func run(_ key: [Int], _ input: Tensor, _ body: (Tensor) -> Tensor) -> Tensor { body(input) }
}
