/// One recorded value: its gradient while the tape runs backward, and how that gradient reaches its inputs.
package final class TapeNode {
  /// Gradient so far; the caller's tensor for a parameter, of the value's own dtype otherwise.
  package private(set) var gradient: Tensor?
  fileprivate var backward: ((Tensor) -> Void)?
  /// What the next share does to the gradient of a parameter, which operations write in place; nil for
  /// another value.
  private var store: Store?
  /// True for a parameter.
  package var isParameter: Bool { store != nil }

  fileprivate init(gradient: Tensor? = nil, store: Store? = nil, backward: ((Tensor) -> Void)? = nil) {
    self.gradient = gradient
    self.store = store
    self.backward = backward
  }

  /// Adds one use's share to the gradient of a value that is not a parameter.
  ///
  /// The sum is a new tensor: the shares of two nodes may be the same storage.
  package func receive(_ share: Tensor, _ kernels: any OperationKernels) {
    if isParameter {
      kernels.accumulate(share, into: accumulator)
    } else {
      gradient = gradient.map { kernels.add($0, share) } ?? share.detached
    }
  }

  /// The gradient so far of a value that is not a parameter, which has none then: for an operation that adds
  /// its own share while it computes it, and gives the sum back by `receive`.
  func takeGradient() -> Tensor? {
    if isParameter { return nil }
    defer { gradient = nil }
    return gradient
  }

  /// The float32 gradient of a parameter, for operations that only add to it.
  package var accumulator: Tensor {
    guard let gradient, store == .adding, gradient.dtype == .float32 else {
      preconditionFailure(
        "accumulator: \(store.map { "parameter, \($0)" } ?? "no parameter"), gradient "
          + "\(gradient?.shape ?? []) \(gradient?.dtype ?? .float32)")
    }
    return gradient
  }

  /// The gradient of a parameter for a share that an operation computes into it, and whether that replaces
  /// what is there or is added. A bfloat16 gradient takes one share: a second would be rounded twice.
  func takeTarget() -> (gradient: Tensor, store: Store) {
    guard let gradient, let store else { preconditionFailure("takeTarget: no parameter") }
    precondition(
      store == .replacing || gradient.dtype == .float32,
      "takeTarget: a second share of a gradient \(gradient.shape) \(gradient.dtype)")
    self.store = .adding
    return (gradient, store)
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
/// Recording starts at `watch`: an operation is recorded when one of its inputs was. A tape serves one
/// backward pass.
package final class Tape {
  private var nodes: [TapeNode] = []

  /// An empty tape.
  package init() {}

  /// The parameter as an input to be differentiated, whose gradient `backward` writes.
  /// - Parameters:
  ///   - gradient: `value`'s shape; float32, or bfloat16 for a linear map's weight that is used once in one
  ///     pass.
  ///   - first: whether the first share replaces what is there, as only linear maps can do, or is added like
  ///     all others, so that several passes sum up.
  package func watch(_ value: Tensor, gradient: Tensor, first: Store) -> Tensor {
    precondition(
      gradient.shape == value.shape
        && (gradient.dtype == .float32 || gradient.dtype == .bfloat16 && first == .replacing),
      "watch: parameter \(value.shape), gradient \(gradient.shape) \(gradient.dtype), \(first)")
    var watched = value.detached
    watched.node = TapeNode(gradient: gradient, store: first)
    return watched
  }

  /// The same with a float32 gradient that all shares are added to.
  package func watch(_ value: Tensor, addingTo gradient: Tensor) -> Tensor {
    watch(value, gradient: gradient, first: .adding)
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
  package func backward(from output: Tensor, seed: Tensor, _ kernels: any OperationKernels) {
    precondition(output.shape == seed.shape, "backward: output \(output.shape), seed \(seed.shape)")
    output.node?.receive(seed, kernels)
    while let node = nodes.popLast() { node.run() }
  }
}
