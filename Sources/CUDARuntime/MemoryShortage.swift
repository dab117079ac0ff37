/// An allocation that could not be made; all in bytes.
package struct MemoryShortage: Equatable, Sendable, CustomStringConvertible {
  /// What was asked for.
  package var wanted: Int
  /// In blocks that are in use.
  package var inUse: Int
  /// The most that may be taken from the device, when that is limited.
  package var limit: Int?
  /// What the device says is free, and has in all.
  package var free: Int, total: Int

  /// All of it.
  package init(wanted: Int, inUse: Int, limit: Int?, free: Int, total: Int) {
    self.wanted = wanted
    self.inUse = inUse
    self.limit = limit
    self.free = free
    self.total = total
  }

  /// Such as "1.50 GB more are needed, 3.20 GB are in use, 0.10 GB of 4.00 GB are free".
  package var description: String {
    let bound = limit.map { " (limit \(gigabytes($0)))" } ?? ""
    return "\(gigabytes(wanted)) more are needed, \(gigabytes(inUse)) are in use\(bound), "
      + "\(gigabytes(free)) of \(gigabytes(total)) are free"
  }
}

/// Bytes in units of 10⁹, with two decimals.
func gigabytes(_ bytes: Int) -> String {
  let hundredths = (bytes + 5_000_000) / 10_000_000
  let decimals = hundredths % 100
  return "\(hundredths / 100).\(decimals < 10 ? "0" : "")\(decimals) GB"
}
