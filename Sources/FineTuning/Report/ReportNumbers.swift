/// A whole number with commas between thousands: "2,506,172,416".
func grouped(_ value: Int) -> String {
  let digits = Array(String(value.magnitude))
  let parts = digits.indices.map { index in
    (index > 0 && (digits.count - index) % 3 == 0 ? "," : "") + String(digits[index])
  }
  return (value < 0 ? "-" : "") + parts.joined()
}

/// A share as a percentage: "31.0".
func percent(_ share: Double, decimals: Int = 1) -> String { (share * 100).formatted(decimals: decimals) }

/// An interval of shares as percentages: "[22.8, 40.6]".
func percent(_ interval: ClosedRange<Double>) -> String {
  "[\(percent(interval.lowerBound)), \(percent(interval.upperBound))]"
}

/// A time as a person reads it: "12.3 s", "3 min 20 s", "1 h 02 min".
func duration(_ seconds: Double) -> String {
  guard seconds >= 60, let whole = Int(exactly: seconds.rounded()) else {
    return "\(seconds.formatted(decimals: 1)) s"
  }
  func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
  return whole < 3600
    ? "\(whole / 60) min \(two(whole % 60)) s" : "\(whole / 3600) h \(two(whole % 3600 / 60)) min"
}

/// A p-value with four decimals, never shown as zero.
func probability(_ p: Double) -> String { p < 0.0001 ? "< 0.0001" : p.formatted(decimals: 4) }

extension Optional {
  /// The value in words, or a dash for no value.
  func shown(_ text: (Wrapped) -> String) -> String { map(text) ?? ReportTable.dash }
}
