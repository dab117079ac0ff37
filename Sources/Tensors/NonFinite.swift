import CKernels

extension Tensor {
  /// The first element, in row-major order, that is NaN or infinite; nil when all are finite.
  package func firstNonFinite() -> Int? {
    guard dtype == .float32 || dtype == .bfloat16 else { return nil }
    let type = Int32(dtype == .float32 ? CK_FLOAT32 : CK_BFLOAT16)
    let index = withExtendedLifetime(storage) { ck_first_non_finite(bytes, type, count) }
    return index < count ? index : nil
  }
}
