import CKernels
import Files
import Glibc

/// What happens when memory cannot be allocated. There is one handler for the process, since no operation on
/// tensors can throw.
package enum MemoryExhaustion {
  /// Sets the handler. It gets the number of bytes that could not be allocated, may be called on any thread,
  /// and should end the process. Without a handler, the process aborts.
  package static func onFailure(_ handler: @escaping @convention(c) (Int) -> Void) {
    ck_on_exhaustion(handler)
  }
}
