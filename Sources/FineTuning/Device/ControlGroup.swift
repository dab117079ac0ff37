import Files

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
