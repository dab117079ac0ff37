import CKernels
import Glibc

/// Where the bytes of a tensor live.
package enum Place: Sendable, Equatable {
  /// Main memory: the only place that the CPU kernels read and write.
  case host
  /// Memory of the GPU: reached by the CUDA kernels, and by copies to and from main memory.
  case device
}

/// A run of bytes that tensors share: owned memory, part of a mapped file that stays mapped as long as it is used, or
/// memory of a device.
package final class Storage {
  /// Address of the first byte in its place.
  package let address: UInt
  /// Length in bytes.
  package let byteCount: Int
  /// Where the bytes are.
  package let place: Place
  /// Keeps a mapped file or a block of device memory alive; nil when the bytes are this object's own.
  private let owner: AnyObject?

  /// First byte, in main memory. Pages of a mapped file are read-only: writing to them is a fault of the caller.
  package var bytes: UnsafeMutableRawPointer {
    guard place == .host, let pointer = UnsafeMutableRawPointer(bitPattern: address) else {
      preconditionFailure("Storage: bytes of \(byteCount) bytes on the device read as main memory")
    }
    return pointer
  }

  /// Owned host memory, aligned to 64 bytes, not initialised. Without memory, see `MemoryExhaustion`.
  package init(byteCount: Int) {
    address = UInt(bitPattern: ck_allocate(max(byteCount, 64), 64))
    self.byteCount = byteCount
    place = .host
    owner = nil
  }

  /// Bytes of something else (a mapped file) that `owner` keeps alive.
  package init(borrowing bytes: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
    address = UInt(bitPattern: bytes)
    self.byteCount = byteCount
    place = .host
    self.owner = owner
  }

  /// Memory of the device that `owner` gives back when it is no longer used.
  package init(deviceAddress address: UInt, byteCount: Int, owner: AnyObject) {
    self.address = address
    self.byteCount = byteCount
    place = .device
    self.owner = owner
  }

  /// True when the bytes are a mapped file's and must not be written.
  package var isReadOnly: Bool { place == .host && owner != nil }

  deinit {
    if owner == nil { free(bytes) }
  }
}
