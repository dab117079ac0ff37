import CKernels
import Files
import FoundationEssentials

/// Whether products of bfloat16 factors are computed by this program's own kernels.
enum OwnProducts {
  /// Set to `off`, this variable leaves all products to OpenBLAS, as on a processor without AVX512_BF16: to
  /// get that processor's results on this one, and to test them.
  static let variable = "GEMMATUNE_OWN_KERNELS"

  private static let setting = ProcessInfo.processInfo.environment[variable] ?? ""

  /// True where the processor multiplies pairs of bfloat16 and the variable does not say otherwise.
  static let areOn = setting != "off" && ck_has_bfloat16_products() != 0

  /// What the log says of it.
  static var notes: [String] {
    setting == "off" && ck_has_bfloat16_products() != 0
      ? ["own bfloat16 products are off, as \(variable) asks"] : []
  }

  /// - Throws: `Fault` .usage for a value other than `on`, `off` and none.
  static func requireKnownSetting() throws {
    guard ["", "on", "off"].contains(setting) else {
      throw Fault(.usage, "\(variable): got \(quoted(setting)); expected on or off")
    }
  }
}
