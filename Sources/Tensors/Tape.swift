/// One recorded value: its gradient while the tape runs backward, and how that gradient reaches its inputs.
package final class TapeNode {
  /// Gradient so far: for a parameter the caller's tensor, otherwise a tensor of the value's own dtype.
  package private(set) var gradient: Tensor?
  fileprivate var backward: ((Tensor) -> Void)?
  /// What the next share does to the gradient of a parameter, which operations write in place; nil for other
  /// values.
  private var store: Store?
  /// True for a parameter.
  package var isParameter: Bool { store != nil }

  fileprivate init(gradient: Tensor? = nil, store: Store? = nil, backward: ((Tensor) -> Void)? = nil) {
    self.gradient = gradient
    self.store = store
    self.backward = backward
  }

  /// Adds the gradient of one use to the gradient of a value that is not a parameter.
  ///
  /// The sum is a new tensor, because the shares of two nodes may have one storage.
  package func receive(_ share: Tensor, _ kernels: any OperationKernels) {
    if isParameter {
      kernels.accumulate(share, into: accumulator)
    } else {
      gradient = gradient.map { kernels.add($0, share) } ?? share.detached
    }
  }

  /// Takes the gradient so far from a value that is not a parameter, and leaves none. An operation adds its
  /// own share to it while it computes, and gives the sum back by `receive`.
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

  /// The gradient of a parameter that an operation computes its share into, and whether the share replaces
  /// the gradient or is added. A bfloat16 gradient takes one share: a second would be rounded twice.
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

/// A list of closures, one for each recorded operation. `backward` runs them from the last to the first.
///
/// Recording starts at `watch`: an operation is recorded if one of its inputs was. A tape serves one backward
/// pass.
package final class Tape {
  private var nodes: [TapeNode] = []

  /// An empty tape.
  package init() {}

  /// The parameter as an input to be differentiated; `backward` writes its gradient.
  /// - Parameters:
  ///   - gradient: of `value`'s shape. It is float32, or bfloat16 for a linear map's weight that is used once
  ///     in one micro-batch.
  ///   - first: whether the first share replaces the gradient, as only linear maps can, or is added like all
  ///     others, so that several micro-batches sum up.
  package func watch(_ value: Tensor, gradient: Tensor, first: Store) -> Tensor {
    precondition(
      gradient.shape == value.shape
        && (gradient.dtype == .float32 || gradient.dtype == .bfloat16 && first == .replacing),
      "watch: parameter \(value.shape), gradient \(gradient.shape) \(gradient.dtype), \(first)")
    var watched = value.detached
    watched.node = TapeNode(gradient: gradient, store: first)
    return watched
  }

  /// The parameter as an input to be differentiated; all shares are added to its float32 gradient.
  package func watch(_ value: Tensor, addingTo gradient: Tensor) -> Tensor {
    watch(value, gradient: gradient, first: .adding)
  }

  /// The value as an input to be differentiated. Its gradient is read from its node after `backward`.
  package func watch(_ value: Tensor) -> Tensor {
    var watched = value.detached
    watched.node = TapeNode()
    return watched
  }

  /// `value` as the output of an operation. `backward` takes its gradient to the nodes of the operation's
  /// inputs.
  package func record(_ value: Tensor, backward: @escaping (Tensor) -> Void) -> Tensor {
    var recorded = value.detached
    let node = TapeNode(backward: backward)
    nodes.append(node)
    recorded.node = node
    return recorded
  }

  /// Runs all closures from the last recorded to the first. `seed` is the gradient of `output`.
  /// Each closure, with the tensors that it kept, is released once it has run.
  package func backward(from output: Tensor, seed: Tensor, _ kernels: any OperationKernels) {
    precondition(output.shape == seed.shape, "backward: output \(output.shape), seed \(seed.shape)")
    output.node?.receive(seed, kernels)
    while let node = nodes.popLast() { node.run() }
  }
}
