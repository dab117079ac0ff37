import CCUDA
import Files

/// A call of the CUDA driver or of cuBLASLt that failed.
package struct CUDAError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What can be done about it.
  package enum Kind: Sendable {
    /// Device memory does not suffice; a smaller request may.
    case outOfMemory
    /// Nothing can be computed any more on this device in this process.
    case deviceLost
    /// A fault in a call.
    case other
  }

  /// The function, such as "cuMemAlloc", or kernel that was called.
  package let call: String
  /// What it returned.
  package let code: Int32
  /// Name of the result, such as "CUDA_ERROR_OUT_OF_MEMORY".
  package let name: String
  /// The library's words for it.
  package let text: String
  /// What can be done about it.
  package let kind: Kind
  /// How much was wanted and there, when memory did not suffice.
  package let shortage: MemoryShortage?

  /// All of it.
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

  /// A result of the driver's; the kind follows from the code.
  package init(driver code: Int32, call: String, name: String, text: String) {
    let kind: Kind =
      code == CC_CUDA_OUT_OF_MEMORY ? .outOfMemory : lostCodes.contains(code) ? .deviceLost : .other
    self.init(call: call, code: code, name: name, text: text, kind: kind)
  }

  /// The same, with the numbers of a failed allocation.
  func adding(_ shortage: MemoryShortage) -> CUDAError {
    CUDAError(call: call, code: code, name: name, text: text, kind: kind, shortage: shortage)
  }

  /// One line: the call and its result, and the numbers when memory did not suffice.
  package var description: String {
    switch kind {
    case .outOfMemory: "cuda: out of device memory: \(shortage.map(\.description) ?? result)"
    case .deviceLost: "cuda: the device is lost: \(result)"
    case .other: "cuda: \(result)"
    }
  }

  /// Such as "cuMemAlloc gave CUDA_ERROR_OUT_OF_MEMORY (2), out of memory".
  var result: String { "\(call) gave \(name) (\(code)), \(text)" }

  /// What a person is told: exit status 69 for a lost device and for missing memory, 1 for anything else.
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

/// Results after which a context computes nothing more: uncorrectable memory errors, faults of a kernel, a
/// device that fell off the bus. Source: cuda.h, "the process must be terminated and relaunched".
private let lostCodes: Set<Int32> = [
  46, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999,
]
