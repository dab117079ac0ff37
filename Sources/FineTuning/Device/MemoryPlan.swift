import Files
import Gemma
import Tensors

/// Predicted peak memory by part, in bytes.
package struct MemoryPlan: Equatable, Sendable {
  /// One part, and its bytes at the peak.
  package struct Part: Equatable, Sendable {
    /// What the memory is for.
    package var name: String
    /// Its size.
    package var bytes: Int
  }

  /// The parts in this order: weights, adapter, gradients, optimizer, activations, vocabulary, rounding,
  /// workspace, program.
  package var parts: [Part]

  /// All parts together.
  package var total: Int { parts.reduce(0) { $0 + $1.bytes } }

  /// The largest part's name.
  package var largest: String { parts.max { $0.bytes < $1.bytes }?.name ?? "nothing" }

  /// One line: the total, and the parts in brackets.
  package var text: String {
    let list = parts.map { "\($0.name) \(byteText($0.bytes))" }.joined(separator: ", ")
    return "\(byteText(total)) at the peak (\(list))"
  }
}

/// A product of sizes, at most 10¹⁸, which no machine has.
func product(_ factors: Int...) -> Int {
  Int(min(factors.reduce(1.0) { $0 * Double($1) }, 1e18))
}
