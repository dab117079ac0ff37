import CKernels
import Files
import FoundationEssentials

/// Whether the program's own kernels compute products of bfloat16 factors.
enum OwnProducts {
  /// Environment variable that leaves all products to OpenBLAS when set to `off`, as on a processor without
  /// AVX512_BF16. It reproduces that processor's results on this one, and tests them.
  static let variable = "GEMMATUNE_OWN_KERNELS"

  private static let setting = ProcessInfo.processInfo.environment[variable] ?? ""

  /// True when the processor multiplies pairs of bfloat16 and the variable is not `off`.
  static let areOn = setting != "off" && ck_has_bfloat16_products() != 0

  /// A line for the log, if the variable changes anything.
  static var notes: [String] {
    setting == "off" && ck_has_bfloat16_products() != 0
      ? ["own bfloat16 products are off, as \(variable) asks"] : []
  }

  /// - Throws: `Fault` .usage when the variable has another value than `on` or `off`.
  static func requireKnownSetting() throws {
    guard ["", "on", "off"].contains(setting) else {
      throw Fault(.usage, "\(variable): got \(quoted(setting)); expected on or off")
    }
  }
}
