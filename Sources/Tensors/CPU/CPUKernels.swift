import CKernels
import COpenBLAS
import Dispatch
import Synchronization

/// Kernels on the processor: OpenBLAS for matrix products, CKernels for the loops around them.
///
/// Work is cut into tiles whose shape depends on the operands alone and handed to `threads` workers: each tile is
/// computed by one worker with single-threaded calls, so that the bits do not depend on the number of threads.
package struct CPUKernels {
  /// Workers at most.
  package let threads: Int

  /// Kernels on up to `threads` workers. Switches OpenBLAS's own threads off for the whole process.
  package init(threads: Int) {
    self.threads = max(1, threads)
    openblas_set_num_threads(1)
  }

  /// Such as "OpenBLAS 0.3.21 (Haswell), AVX-512, 2 threads".
  package var summary: String {
    let version = String(cString: openblas_get_config()).split(separator: " ").prefix(2).joined(
      separator: " ")
    let core = String(cString: openblas_get_corename())
    let vectors = String(cString: ck_vector_name())
    return "\(version) (\(core)), \(vectors), \(threads) thread\(threads == 1 ? "" : "s")"
  }

  /// Runs `body` for each tile, on the workers; returns when all are done. Each tile must write memory of its own.
  func parallel(_ tiles: Int, _ body: (Int) -> Void) {
    let workers = min(threads, tiles)
    if workers <= 1 {
      for tile in 0..<tiles { body(tile) }
      return
    }
    let next = Atomic<Int>(0)
    withoutActuallyEscaping(body) { escaping in
      // Tiles write disjoint memory and concurrentPerform returns when all are done: safe to share.
      nonisolated(unsafe) let work = escaping
      DispatchQueue.concurrentPerform(iterations: workers) { _ in
        while true {
          let tile = next.add(1, ordering: .relaxed).oldValue
          if tile >= tiles { return }
          work(tile)
        }
      }
    }
  }

  /// Runs `body` for runs of `count` items, each run of `grain` items a tile.
  func parallel(over count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let grain = max(1, grain)
    parallel((count + grain - 1) / grain) { tile in
      body(tile * grain..<min(count, (tile + 1) * grain))
    }
  }
}

extension CPUKernels: Kernels {}
