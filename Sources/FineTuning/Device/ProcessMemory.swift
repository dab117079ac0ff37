import Files

/// Memory of this process and of the machine, by Linux's own count.
package enum ProcessMemory {
  /// What a run takes beside the parts that a plan counts: code, libraries and their buffers, a small
  /// tokenizer and its examples. Measured: 27 to 28 MB more than the rest of the plan on the tiny model, with
  /// one thread and two.
  static let programBytes = 28_000_000

  /// Memory that a new allocation could take without swapping, in bytes; 0 where Linux does not report it.
  package static var availableBytes: Int {
    let free = machineNumber("MemAvailable") ?? 0
    return ControlGroup.ofThisProcess.compactMap(\.available).reduce(free, min)
  }

  /// All memory that this process could ever have, in bytes; nil where the system does not report it.
  package static var totalBytes: Int? {
    guard let total = machineNumber("MemTotal") else { return nil }
    return ControlGroup.ofThisProcess.compactMap(\.limit).reduce(total, min)
  }

  /// A number of /proc/meminfo, in bytes.
  private static func machineNumber(_ name: String) -> Int? {
    let lines = (try? readFile("/proc/meminfo")).map { String(decoding: $0, as: UTF8.self) } ?? ""
    let line = lines.split(separator: "\n").first { $0.hasPrefix("\(name):") }
    let kibibytes = line.flatMap { $0.split(separator: " ").dropFirst().first }.flatMap { Int($0) }
    return kibibytes.flatMap { $0 > Int.max >> 10 ? nil : $0 << 10 }
  }
}
