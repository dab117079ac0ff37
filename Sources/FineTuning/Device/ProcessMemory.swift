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

/// The memory of one control group: a container, a batch job or a service.
package struct ControlGroup: Equatable, Sendable {
  /// Bytes that its processes may have together; nil without a limit.
  package let limit: Int?
  /// Bytes left below the limit; nil without a limit.
  package let available: Int?

  /// The groups that this process is in, of version 1 or 2, from the innermost to the root. Each limit holds.
  /// - Parameters:
  ///   - membership: content of /proc/self/cgroup.
  ///   - root: where the groups are mounted.
  /// Source: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
  package static func all(membership: String, root: String) -> [ControlGroup] {
    membership.split(separator: "\n").flatMap { line -> [ControlGroup] in
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return [] }
      let isSecond = fields[0] == "0" && fields[1].isEmpty
      guard isSecond || fields[1].split(separator: ",").contains("memory") else { return [] }
      let (folder, limit, usage) =
        isSecond
        ? (root, "memory.max", "memory.current")
        : ("\(root)/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
      return ancestors(String(fields[2])).map { group in
        ControlGroup(
          limit: number("\(folder)\(group)/\(limit)"), used: number("\(folder)\(group)/\(usage)"))
      }
    }
  }

  /// The groups of this process.
  static var ofThisProcess: [ControlGroup] {
    let bytes = (try? readFile("/proc/self/cgroup")) ?? []
    return all(membership: String(decoding: bytes, as: UTF8.self), root: "/sys/fs/cgroup")
  }

  private init(limit: Int?, used: Int?) {
    self.limit = limit
    available = limit.map { max(0, $0 - (used ?? 0)) }
  }

  /// `/a/b`, `/a` and the root as an empty text. In a container the path may be the host's, of which only the
  /// root exists.
  private static func ancestors(_ path: String) -> [String] {
    let parts = path.split(separator: "/").filter { $0 != ".." }
    return (0...parts.count).reversed().map { parts.prefix($0).map { "/\($0)" }.joined() }
  }

  /// A number in a file; nil without the file, and where it says "max".
  private static func number(_ file: String) -> Int? {
    guard let bytes = try? readFile(file) else { return nil }
    return Int(String(decoding: bytes, as: UTF8.self).split(separator: "\n").first ?? "")
  }
}
