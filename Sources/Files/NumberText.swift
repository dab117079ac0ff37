import Glibc

extension Double {
  /// The number with this many decimals, for people: with a point and no grouping.
  package func formatted(decimals: Int) -> String { printed("%.\(decimals)f") }

  /// The number with this many significant digits, for people: 0.000123, 1.5e-06.
  package func formatted(significant: Int) -> String { printed("%.\(significant)g") }

  private func printed(_ format: String) -> String {
    var text = ""
    // The longest Double has 309 digits before the point.
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 400) { buffer in
      withVaList([self]) { _ = vsnprintf(buffer.baseAddress, buffer.count, format, $0) }
      text = buffer.baseAddress.map { String(cString: $0) } ?? ""
    }
    return text
  }
}

/// A count of bytes for people, in units of 1000: "1.50 GB", "536.2 MB", "26.0 kB".
package func byteText(_ bytes: Int) -> String {
  let value = Double(bytes)
  if value >= 1e9 { return "\((value / 1e9).formatted(decimals: 2)) GB" }
  if value >= 1e6 { return "\((value / 1e6).formatted(decimals: 1)) MB" }
  return "\((value / 1e3).formatted(decimals: 1)) kB"
}
