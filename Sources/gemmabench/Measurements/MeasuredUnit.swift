import Files

/// The unit of a rate.
enum MeasuredUnit: String {
  /// 10⁹ floating-point operations a second; a multiplication and an addition count as two.
  case gigaflops = "GFLOP/s"
  /// 10⁹ bytes a second, read or written.
  case gigabytes = "GB/s"
}
