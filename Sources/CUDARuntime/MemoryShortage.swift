import Files

/// The numbers of a failed allocation, in bytes.
package struct MemoryShortage: Equatable, Sendable, CustomStringConvertible {
  /// The request.
  package var wanted: Int
  /// Blocks in use.
  package var inUse: Int
  /// The most to take from the device, if that is limited.
  package var limit: Int?
  /// Memory of the device: free, and in total.
  package var free: Int, total: Int

  /// Request, memory in use, limit, and memory of the device.
  package init(wanted: Int, inUse: Int, limit: Int?, free: Int, total: Int) {
    self.wanted = wanted
    self.inUse = inUse
    self.limit = limit
    self.free = free
    self.total = total
  }

  /// Such as "1.50 GB more are needed, 3.20 GB are in use, 100.0 MB of 4.00 GB are free".
  package var description: String {
    let bound = limit.map { " (limit \(byteText($0)))" } ?? ""
    return "\(byteText(wanted)) more are needed, \(byteText(inUse)) are in use\(bound), "
      + "\(byteText(free)) of \(byteText(total)) are free"
  }
}
