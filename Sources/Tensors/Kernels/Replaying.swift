/// Work that is captured once, as a CUDA graph, and replayed with other inputs: the steps of a decoder, say.
///
/// On a GPU, what `body` queues is recorded and replayed. On the CPU, `body` runs each time.
package protocol Replaying: AnyObject {
  /// What a count of rows is rounded up to, so that a few recordings serve many counts.
  func paddedCount(_ count: Int) -> Int

  /// What `body` gives for `input`.
  ///
  /// With one key, `body` must queue the same work for every input, which has the same shape each time, and
  /// must read nothing else that changes or that ends before this object does.
  /// - Returns: a result that holds until the next run with that key.
  func run(_ key: [Int], _ input: Tensor, _ body: (Tensor) -> Tensor) -> Tensor
}
