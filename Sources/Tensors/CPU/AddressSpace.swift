import CKernels
import Files
import Glibc

/// The addresses that this process may still take, where a limit bounds them (`ulimit -v`).
package enum AddressSpace {
  /// Bytes that OpenBLAS maps for each thread that multiplies.
  /// Source: OpenBLAS 0.3.21 common_x86_64.h, BUFFER_SIZE.
  private static let bufferBytes = (32 << 22) + (1 << 16)
  /// Bytes of the library itself.
  private static let libraryBytes = 48 << 20
  /// Stack of a worker, as Linux gives it by default.
  private static let stackBytes = 8 << 20
  /// For everything that no plan counts: small objects, files that are read, memory that the C library keeps.
  private static let slackBytes = 64 << 20

  /// Bytes below the limit that are not in use; nil without a limit.
  private static var free: Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < Int.max else {
      return nil
    }
    let used = (try? readFile("/proc/self/statm")).map { String(decoding: $0, as: UTF8.self) } ?? ""
    let pages = used.split(separator: " ").first.flatMap { Int($0) } ?? 0
    return Int(limit.rlim_cur) - pages * Int(getpagesize())
  }

  /// Bytes that are left for tensors once OpenBLAS is loaded and `threads` workers multiply; nil without a
  /// limit.
  package static func available(besideWorkers threads: Int) -> Int? {
    // The check of the library has mapped the first buffer already.
    free.map { max(0, $0 - (threads - 1) * (bufferBytes + stackBytes) - slackBytes) }
  }

  /// Refuses to start when OpenBLAS could not get its buffers: it would wait for them forever.
  /// - Throws: `Fault` .unavailable.
  static func requireRoom(forWorkers threads: Int) throws {
    guard let free else { return }
    func needed(_ threads: Int) -> Int { libraryBytes + threads * (bufferBytes + stackBytes) + slackBytes }
    guard needed(threads) > free else { return }
    let fewer = threads > 1 && needed(1) <= free
    throw Fault(
      .unavailable,
      "memory: matrix products on \(threads) thread\(threads == 1 ? "" : "s") take "
        + "\(inWords(needed(threads))) of addresses; the limit (ulimit -v) leaves \(inWords(max(0, free)))",
      hint: fewer ? "set threads=1, or raise the limit" : "raise the limit")
  }

  private static func inWords(_ bytes: Int) -> String { "\(bytes / 1_000_000) MB" }
}
