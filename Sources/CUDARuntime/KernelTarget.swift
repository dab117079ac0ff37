/// What kernels are compiled to.
package enum KernelTarget: Equatable, Sendable {
  /// The device's own instructions, as for sm_90: they run on this and later devices of the same major.
  case binary(Int)
  /// Instructions that the driver translates for a newer device, as of compute_90.
  case portable(Int)

  /// As the compiler names it.
  package var name: String {
    switch self {
    case .binary(let architecture): "sm_\(architecture)"
    case .portable(let architecture): "compute_\(architecture)"
    }
  }

  /// The device's own target, else the nearest older one that runs on it.
  /// - supported: architectures that the compiler knows, such as 80 and 90.
  /// - Returns: nil where the compiler knows only newer ones.
  package static func best(for architecture: Int, supported: [Int]) -> KernelTarget? {
    let older = supported.filter { $0 <= architecture }
    if let own = older.filter({ $0 / 10 == architecture / 10 }).max() { return .binary(own) }
    return older.max().map { .portable($0) }
  }
}
