import Glibc

extension CPUKernels {
  /// Main memory.
  package var place: Place { .host }

  /// A new host tensor, not initialised.
  package func uninitialized(_ shape: Shape, _ dtype: DType) -> Tensor {
    Tensor(uninitialized: shape, dtype)
  }

  /// Makes all elements zero.
  package func clear(_ tensor: Tensor) {
    tensor.bytes.initializeMemory(as: UInt8.self, repeating: 0, count: tensor.byteCount)
  }

  /// The tensor itself.
  package func placed(_ tensor: Tensor) -> Tensor { tensor }

  /// The tensor itself.
  package func onHost(_ tensor: Tensor) -> Tensor { tensor }

  /// The tensor itself, without waiting.
  package func fetch(_ tensor: Tensor) -> FetchedTensor { FetchedTensor { tensor } }

  /// Copies bytes.
  package func copy(_ x: Tensor, to target: Tensor) {
    Requirements.copy(x, to: target)
    target.bytes.copyMemory(from: x.bytes, byteCount: x.byteCount)
  }

  /// Runs the work each time.
  package func replays() -> any Replaying { PlainRuns() }

  /// Does nothing: every failure on the CPU shows at once.
  package func check() {}

  /// nil: see `check`.
  package var failure: DeviceFailure? { nil }

  /// The most memory of this process that was ever resident, in bytes; 0 when the system does not say.
  package var peakMemoryBytes: Int {
    var usage = rusage()
    return getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 ? Int(usage.ru_maxrss) * 1024 : 0
  }
}
