/// One recorded value: its gradient while the tape runs backward, and how that gradient reaches its inputs.
package final class TapeNode {
  /// Gradient so far; float32 for a parameter, the value's own dtype otherwise.
  package private(set) var gradient: Tensor?
  fileprivate var backward: ((Tensor) -> Void)?
  /// True for a parameter: its gradient is a float32 accumulator that operations add to in place.
  package let isParameter: Bool

  fileprivate init(gradient: Tensor? = nil, isParameter: Bool = false, backward: ((Tensor) -> Void)? = nil) {
    self.gradient = gradient
    self.isParameter = isParameter
    self.backward = backward
  }

  /// Adds one use's share to the gradient of a value that is not a parameter.
  ///
  /// The sum is a new tensor: the shares of two nodes may be the same storage.
  package func receive(_ share: Tensor, _ kernels: any Kernels) {
    if isParameter, let gradient {
      kernels.accumulate(share, into: gradient)
    } else {
      gradient = gradient.map { kernels.add($0, share) } ?? share.detached
    }
  }

  /// The gradient so far of a value that is not a parameter, which has none then: for an operation that adds its own
  /// share while it computes it, and gives the sum back by `receive`.
  func takeGradient() -> Tensor? {
    if isParameter { return nil }
    defer { gradient = nil }
    return gradient
  }

  /// The float32 accumulator of a parameter, for operations that add to it in place.
  package var accumulator: Tensor {
    guard isParameter, let gradient else {
      preconditionFailure("accumulator of a value that is no parameter")
    }
    return gradient
  }

  fileprivate func run() {
    guard let backward else { return }
    self.backward = nil
    guard let gradient else { return }
    self.gradient = nil
    backward(gradient)
  }
}

/// A list of closures, one for each recorded operation, run from the last to the first by `backward`.
///
/// Recording starts at `watch`: an operation is recorded when one of its inputs was. A tape serves one backward pass.
package final class Tape {
  private var nodes: [TapeNode] = []

  /// An empty tape.
  package init() {}

  /// The parameter as an input to be differentiated.
  /// - Parameter gradient: float32, `value`'s shape; `backward` adds to it, so that several passes sum up.
  package func watch(_ value: Tensor, addingTo gradient: Tensor) -> Tensor {
    precondition(
      gradient.shape == value.shape && gradient.dtype == .float32,
      "watch: parameter \(value.shape), gradient \(gradient.shape) \(gradient.dtype)")
    var watched = value.detached
    watched.node = TapeNode(gradient: gradient, isParameter: true)
    return watched
  }

  /// The value as an input to be differentiated; its gradient is read from its node after `backward`.
  package func watch(_ value: Tensor) -> Tensor {
    var watched = value.detached
    watched.node = TapeNode()
    return watched
  }

  /// `value` as the output of an operation whose `backward` takes the output's gradient to its inputs' nodes.
  package func record(_ value: Tensor, backward: @escaping (Tensor) -> Void) -> Tensor {
    var recorded = value.detached
    let node = TapeNode(backward: backward)
    nodes.append(node)
    recorded.node = node
    return recorded
  }

  /// Runs all closures from the last recorded to the first, starting with `seed` as the gradient of `output`.
  /// Each closure, and what it kept, is let go once it has run.
  package func backward(from output: Tensor, seed: Tensor, _ kernels: any Kernels) {
    precondition(output.shape == seed.shape, "backward: output \(output.shape), seed \(seed.shape)")
    output.node?.receive(seed, kernels)
    while let node = nodes.popLast() { node.run() }
  }
}
