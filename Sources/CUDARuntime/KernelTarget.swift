/// The kind of code that kernels are compiled to.
package enum KernelTarget: Equatable, Sendable {
  /// Instructions of the device itself, such as sm_90. They run on this and later devices of the same major.
  case binary(Int)
  /// Instructions that the driver translates for a newer device, such as compute_90.
  case portable(Int)

  /// The compiler's name for the target.
  package var name: String {
    switch self {
    case .binary(let architecture): "sm_\(architecture)"
    case .portable(let architecture): "compute_\(architecture)"
    }
  }

  /// The device's own target, or the nearest older one that runs on it.
  /// - supported: architectures that the compiler knows, such as 80 and 90.
  /// - Returns: nil when the compiler knows only newer ones.
  package static func best(for architecture: Int, supported: [Int]) -> KernelTarget? {
    let older = supported.filter { $0 <= architecture }
    if let own = older.filter({ $0 / 10 == architecture / 10 }).max() { return .binary(own) }
    return older.max().map { .portable($0) }
  }
}
