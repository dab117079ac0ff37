import Files
import Glibc

/// Compiled kernels on disk, so that a program starts without compiling.
///
/// The name of an entry holds a hash of everything that it depends on. Its last 32 bytes are a hash of the
/// bytes before them. An entry that cannot be read, or is damaged, counts as absent. An entry that cannot be
/// written is compiled again next time.
struct KernelCache: Sendable {
  /// Folder of the entries; nil keeps no entries.
  let folder: String?

  /// $XDG_CACHE_HOME/gemmatune, or ~/.cache/gemmatune without that variable; nil without a home.
  /// Source: XDG Base Directory Specification 0.8: a path that is not absolute is ignored.
  static func standardFolder(_ environment: [String: String]) -> String? {
    if let cache = environment["XDG_CACHE_HOME"], cache.hasPrefix("/") { return cache + "/gemmatune" }
    if let home = environment["HOME"], home.hasPrefix("/") { return home + "/.cache/gemmatune" }
    return nil
  }

  /// File name of a module, made of the file's name, the target, and the hash of everything that enters the
  /// module.
  static func name(
    _ file: KernelFile, headers: [KernelFile], options: [String], target: KernelTarget, compiler: CUDAVersion
  ) -> String {
    let texts = ([file] + headers).flatMap { [$0.name, $0.text] }
    let parts = texts + [target.name, compiler.description] + options
    let hash = SHA256.text(Array(parts.joined(separator: "\0").utf8))
    let stem = file.name.split(separator: ".").first.map(String.init) ?? file.name
    return "\(stem)-\(target.name)-\(hash)"
  }

  /// The entry `name`; nil when it is missing or damaged.
  func entry(_ name: String) -> [UInt8]? {
    guard let folder, let bytes = try? readFile("\(folder)/\(name)", limit: 1 << 28) else { return nil }
    let content = Array(bytes.dropLast(digestByteCount))
    return !content.isEmpty && SHA256.digest(content) == bytes.suffix(digestByteCount) ? content : nil
  }

  /// Writes the entry `name`, whole or not at all, even while other processes write it too.
  func write(_ content: [UInt8], to name: String) {
    guard let folder else { return }
    let own = "\(folder)/\(name).\(getpid())"
    do {
      try makeDirectory(folder)
      try writeAtomically(content + SHA256.digest(content), to: own)
      guard rename(own, "\(folder)/\(name)") != 0 else { return }
    } catch {}
    unlink(own)
  }
}

private let digestByteCount = 32
