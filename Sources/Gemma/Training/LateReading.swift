import Tensors

/// Reads the results of each step after the next step has been queued, so that a device never waits for the host.
///
/// On the CPU work is done when it returns, and results are read at once.
package struct LateReading<Begun> {
  private let readsAtOnce: Bool
  private let read: (Begun) throws -> Void
  private var waiting: Begun?

  /// `read` gets each step once, in order. It may wait for the step's results.
  package init(_ place: Place, read: @escaping (Begun) throws -> Void) {
    readsAtOnce = place == .host
    self.read = read
  }

  /// Takes a step that has just been queued, and reads the one before it.
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
