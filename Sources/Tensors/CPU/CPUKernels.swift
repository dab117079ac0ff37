import CKernels

/// Kernels on the processor: OpenBLAS for matrix products, CKernels for the loops around them.
///
/// Work is cut into tiles whose shape depends on the operands alone, and `threads` workers take the tiles.
/// One worker computes a tile with single-threaded calls, so the bits do not depend on the number of threads.
package struct CPUKernels {
  /// The most workers.
  package let threads: Int
  /// True when products of two bfloat16 factors are computed by own kernels and not by OpenBLAS.
  package let hasPairProducts: Bool

  /// Kernels on up to `threads` workers.
  package init(threads: Int, products: ProductChoice = .automatic) {
    self.threads = max(1, threads)
    hasPairProducts = products == .automatic && OwnProducts.areOn
  }

  /// Prepares the process to compute on this many workers; called once, at start.
  ///
  /// It loads OpenBLAS, and keeps some freed memory for the next step. Nothing else changes the process.
  /// Without this call, the first product loads OpenBLAS, and traps if that fails.
  /// - Throws: `Fault` .unavailable if there is no OpenBLAS, none that computes correctly, or too few
  ///   addresses for it; .usage for an unknown value of GEMMATUNE_OWN_KERNELS.
  package static func prepareProcess(threads: Int) throws {
    try OwnProducts.requireKnownSetting()
    try AddressSpace.requireRoom(forWorkers: threads)
    _ = try OpenBLAS.shared.get()
    ck_keep_freed_memory()
  }

  /// Such as "own bfloat16 products (AVX512_BF16), OpenBLAS 0.3.21 (Haswell) for float32, AVX-512, 2
  /// threads", or "OpenBLAS 0.3.21 (Haswell), AVX2, 1 thread".
  /// threads", or "OpenBLAS 0.3.21 (Haswell), AVX2, 1 thread".
  package var summary: String {
    let name = OpenBLAS.current.name
    let vectors = String(cString: ck_vector_name())
    let library = hasPairProducts ? "own bfloat16 products (AVX512_BF16), \(name) for float32" : name
    return "\(library), \(vectors), \(threads) thread\(threads == 1 ? "" : "s")"
  }

  /// Why these kernels were chosen, one line for each reason.
  package var notes: [String] { [OpenBLAS.current.reason] + OwnProducts.notes }

  /// Runs `body` for each tile on the workers, and returns when all are done. Each tile must write only
  /// memory of its own.
  func parallel(_ tiles: Int, _ body: (Int) -> Void) {
    if min(threads, tiles) <= 1 {
      for tile in 0..<tiles { body(tile) }
      return
    }
    withoutActuallyEscaping(body) { escaping in
      var work = TileWork(body: escaping)
      withUnsafeMutablePointer(to: &work) { work in
        ck_team_run(
          threads, tiles, { $0?.assumingMemoryBound(to: TileWork.self).pointee.body($1) }, work)
      }
    }
  }

  /// Runs `body` for runs of `count` items. Each run is one tile of `grain` items.
  func parallel(over count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let grain = max(1, grain)
    parallel((count + grain - 1) / grain) { tile in
      body(tile * grain..<min(count, (tile + 1) * grain))
    }
  }

  /// Runs `body` for runs of items that get shorter. Long runs read memory well, and short ones at the end
  /// let workers end together. The results must not depend on the runs. Each run is a multiple of `unit`
  /// items, except for the last.
  func parallelRuns(over count: Int, unit: Int, atLeast least: Int, _ body: (Range<Int>) -> Void) {
    if threads == 1 { return body(0..<count) }
    var ends: [Int] = []
    var end = 0
    while end < count {
      end = min(count, end + max(least, (count - end) / (2 * threads) / unit * unit))
      ends.append(end)
    }
    parallel(ends.count) { body((($0 == 0 ? 0 : ends[$0 - 1])..<ends[$0])) }
  }
}

/// The work of one tile, as C hands it to a worker.
private struct TileWork {
  let body: (Int) -> Void
}

extension CPUKernels: Kernels {}
