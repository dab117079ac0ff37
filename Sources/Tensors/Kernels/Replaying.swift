/// Captures work once and replays it with other inputs, such as the steps of a decoder.
///
/// On a GPU, the work that `body` queues is captured as a CUDA graph. On the CPU, `body` runs each time.
package protocol Replaying: AnyObject {
  /// `count` rows rounded up, so that a few captures serve many counts.
  func paddedCount(_ count: Int) -> Int

  /// The result of `body` for `input`.
  ///
  /// All inputs of one key have the same shape, and `body` must queue the same work for each. It must read
  /// nothing else that changes, or that ends before this object does.
  /// - Returns: a result that is valid until the next run with that key.
  func run(_ key: [Int], _ input: Tensor, _ body: (Tensor) -> Tensor) -> Tensor
}
