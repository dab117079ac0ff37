import Files
import FoundationEssentials
import Gemma

/// The rates to which measured rates are compared.
struct GPUCeilings {
  /// Of bfloat16 products in operations a second, and of copies in bytes a second; nil where not measured.
  var product: Double?, copy: Double?
  /// The product rate in the GPU's datasheet; nil for a GPU that is not listed.
  var datasheet: Double?

  /// Seconds that this many operations or bytes take at the unit's best rate.
  func floor(_ amount: Double, _ unit: MeasuredUnit) -> Double? {
    (unit == .gigaflops ? product : copy).map { amount / $0 }
  }
}
