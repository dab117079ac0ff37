import Files
import Glibc
import Synchronization
import Tensors

/// What the process is doing, for the last words where memory ends in the middle of it.
///
/// A plan made before the work refuses what cannot fit. This is for what no plan foresees: memory that other programs
/// took in the meantime, or a limit that is met early.
enum WorkUnderWay {
  private static let current = Mutex<(stage: ComputeStage, run: RunConfiguration)?>(nil)

  /// Says that `stage` of a run begins.
  static func begin(_ stage: ComputeStage, _ run: RunConfiguration) {
    current.withLock { $0 = (stage, run) }
  }

  /// From now on, an allocation that fails ends the process with status 69 and one line that names the work.
  static func endProcessOnExhaustion() {
    MemoryExhaustion.onFailure { bytes in
      Console.show(WorkUnderWay.fault(bytes))
      // Without handlers at exit: they would run on a worker's thread, beside work that goes on.
      _exit(Fault.Kind.unavailable.exitStatus)
    }
  }

  /// The words for `bytes` that cannot be had.
  static func fault(_ bytes: Int) -> Fault {
    guard let (stage, run) = current.withLock({ $0 }) else {
      return Fault(.unavailable, "memory: \(byteText(bytes)) more cannot be had")
    }
    return stage.exhausted(bytes, run)
  }
}
