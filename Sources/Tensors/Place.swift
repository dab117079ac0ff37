import CKernels
import Glibc

/// Where the bytes of a tensor live.
package enum Place: Sendable, Equatable {
  /// Main memory: the only place that CPU kernels read and write.
  case host
  /// Memory of the GPU. CUDA kernels, and copies from and to main memory, reach it.
  case device
}
