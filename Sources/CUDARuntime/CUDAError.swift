import CCUDA
import Files

/// A failed call of the CUDA driver or of cuBLASLt.
package struct CUDAError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What can be done about a failure.
  package enum Kind: Sendable {
    /// Device memory does not suffice. A smaller request may succeed.
    case outOfMemory
    /// Nothing can be computed any more on this device in this process.
    case deviceLost
    /// A fault in a call.
    case other
  }

  /// The function, such as "cuMemAlloc", or the kernel that was called.
  package let call: String
  /// The result code.
  package let code: Int32
  /// Name of the result, such as "CUDA_ERROR_OUT_OF_MEMORY".
  package let name: String
  /// The library's text for the result.
  package let text: String
  /// What can be done about the failure.
  package let kind: Kind
  /// Bytes wanted and available, when memory did not suffice.
  package let shortage: MemoryShortage?

  /// A call, its result, and what can be done.
  package init(
    call: String, code: Int32, name: String, text: String, kind: Kind, shortage: MemoryShortage? = nil
  ) {
    self.call = call
    self.code = code
    self.name = name
    self.text = text
    self.kind = kind
    self.shortage = shortage
  }

  /// A result of the driver. The kind follows from the code.
  package init(driver code: Int32, call: String, name: String, text: String) {
    let kind: Kind =
      code == CC_CUDA_OUT_OF_MEMORY ? .outOfMemory : lostCodes.contains(code) ? .deviceLost : .other
    self.init(call: call, code: code, name: name, text: text, kind: kind)
  }

  /// This error with the numbers of a failed allocation.
  func adding(_ shortage: MemoryShortage) -> CUDAError {
    CUDAError(call: call, code: code, name: name, text: text, kind: kind, shortage: shortage)
  }

  /// One line: the call, its result, and the numbers when memory did not suffice.
  package var description: String {
    switch kind {
    case .outOfMemory: "cuda: out of device memory: \(shortage.map(\.description) ?? result)"
    case .deviceLost: "cuda: the device is lost: \(result)"
    case .other: "cuda: \(result)"
    }
  }

  /// Such as "cuMemAlloc gave CUDA_ERROR_OUT_OF_MEMORY (2), out of memory".
  var result: String { "\(call) gave \(name) (\(code)), \(text)" }

  /// The message for the user. Its exit status is 69 for a lost device and for missing memory, and 1 for
  /// anything else.
  package var fault: Fault {
    switch kind {
    case .outOfMemory: Fault(.unavailable, description)
    case .deviceLost:
      Fault(
        .unavailable, description,
        hint: "what was written so far is intact")
    case .other: Fault(.failure, description)
    }
  }
}

/// Results after which a context can compute nothing more: uncorrectable memory errors, faults of a kernel, a
/// device that fell off the bus. Source: cuda.h, "the process must be terminated and relaunched".
private let lostCodes: Set<Int32> = [
  46, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999,
]
