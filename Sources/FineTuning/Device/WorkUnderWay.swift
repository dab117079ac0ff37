import Files
import Synchronization

/// What the process is doing, for the last message of a process that runs out of memory.
///
/// A plan made before the work refuses what cannot fit. This is for what no plan foresees: memory that other
/// programs took in the meantime, or a limit that is met early.
package enum WorkUnderWay {
  private static let current = Mutex<(stage: ComputeStage, run: RunConfiguration)?>(nil)

  /// Notes that `stage` of a run begins.
  package static func begin(_ stage: ComputeStage, _ run: RunConfiguration) {
    current.withLock { $0 = (stage, run) }
  }

  /// The fault for `bytes` that the system does not give.
  package static func fault(_ bytes: Int) -> Fault {
    guard let (stage, run) = current.withLock({ $0 }) else {
      return Fault(.unavailable, "memory: \(byteText(bytes)) more cannot be had")
    }
    return stage.exhausted(bytes, run)
  }
}
