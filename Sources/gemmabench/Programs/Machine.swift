import Files
import FoundationEssentials
import Tensors

/// The machine of a session: processor, memory, versions, commit and date.
package func machineFacts(threads: Int, scratch: String) -> [BenchmarkReport.Fact] {
  let cpu = (try? readFile("/proc/cpuinfo", limit: 1 << 24)).map(keyedLines) ?? [:]
  let memory = (try? readFile("/proc/meminfo", limit: 1 << 20)).map(keyedLines) ?? [:]
  let flags = Set((cpu["flags"] ?? cpu["Features"] ?? "").split(separator: " ").map(String.init))
  let load =
    (try? readFile("/proc/loadavg", limit: 1 << 10)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  return [
    .init("date", Date().formatted(.iso8601)),
    .init("commit", commit(scratch)),
    .init("processor", cpu["model name"] ?? cpu["CPU part"] ?? "unknown"),
    .init("cores", "\(ProcessInfo.processInfo.activeProcessorCount)"),
    .init("vector extensions", vectorExtensions.filter(flags.contains).joined(separator: " ")),
    .init("memory", memory["MemTotal"].flatMap(memoryText) ?? "unknown"),
    .init("load before the start", load.split(separator: " ").first.map(String.init) ?? "unknown"),
    .init("swift", firstLine(["swift", "--version"], scratch) ?? "unknown"),
    .init("kernels", CPUKernels(threads: threads).summary),
  ]
}

/// Flags of /proc/cpuinfo that the kernels may use, or that show what a faster kernel could use.
private let vectorExtensions = [
  "sse2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
  "amx_bf16", "asimd", "bf16", "sve",
]

/// The first value of each key in a file of `key : value` lines.
package func keyedLines(_ bytes: [UInt8]) -> [String: String] {
  var values: [String: String] = [:]
  for line in lines(of: bytes) {
    let parts = String(decoding: line.bytes, as: UTF8.self).split(separator: ":", maxSplits: 1)
    guard parts.count == 2 else { continue }
    let (key, value) = (parts[0], parts[1])
    let name = trimmed(key)
    if values[name] == nil { values[name] = trimmed(value) }
  }
  return values
}

/// The text without blanks and tabs at either end.
private func trimmed(_ text: Substring) -> String {
  func withoutLeading(_ characters: some Sequence<Character>) -> [Character] {
    Array(characters.drop { $0 == " " || $0 == "\t" })
  }
  return String(withoutLeading(withoutLeading(text).reversed()).reversed())
}

/// "24.90 GB" for "24321112 kB"; nil where the text does not begin with a number.
package func memoryText(_ kilobytes: String) -> String? {
  kilobytes.split(separator: " ").first.flatMap { Int($0) }.map { byteText($0 &* 1024) }
}

/// The commit's name, and whether tracked files differ from it.
private func commit(_ scratch: String) -> String {
  guard let name = firstLine(["git", "rev-parse", "--short=12", "HEAD"], scratch) else { return "unknown" }
  let changed = firstLine(["git", "status", "--porcelain", "--untracked-files=no"], scratch) != nil
  return changed ? "\(name), with changes that are not committed" : name
}

private func firstLine(_ arguments: [String], _ scratch: String) -> String? {
  guard let child = try? runChild(arguments, scratch: scratch) else { return nil }
  return lines(of: child.output).first.map { String(decoding: $0.bytes, as: UTF8.self) }
}
