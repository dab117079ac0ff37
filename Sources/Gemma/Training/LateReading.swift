import Tensors

/// Reads the results of a step after the next step has been queued, so that a device never waits.
///
/// On the CPU a step is done when its call returns, and its results are read at once.
package struct LateReading<Begun> {
  private let readsAtOnce: Bool
  private let read: (Begun) throws -> Void
  private var waiting: Begun?

  /// `read` gets each step once, in order. It may wait for the step's results.
  package init(_ place: Place, read: @escaping (Begun) throws -> Void) {
    readsAtOnce = place == .host
    self.read = read
  }

  /// Accepts a step that has just been queued, and reads the step before it.
  package mutating func queued(_ step: Begun) throws {
    try finish()
    waiting = step
    if readsAtOnce { try finish() }
  }

  /// Reads the step that still waits.
  package mutating func finish() throws {
    if let step = waiting.take() { try read(step) }
  }
}
