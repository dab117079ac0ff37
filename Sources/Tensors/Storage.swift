import CKernels
import Glibc

/// A run of bytes that tensors share: owned memory, part of a mapped file, or memory of a device. A mapped
/// file stays mapped as long as the storage is used.
package final class Storage {
  /// Address of the first byte in its place.
  package let address: UInt
  /// Length in bytes.
  package let byteCount: Int
  /// Where the bytes are.
  package let place: Place
  /// Keeps a mapped file or a block of device memory alive; nil when the bytes are this object's own.
  private let owner: AnyObject?

  /// First byte, in main memory. Pages of a mapped file are read-only: the caller must not write to them.
  package var bytes: UnsafeMutableRawPointer {
    guard place == .host, let pointer = UnsafeMutableRawPointer(bitPattern: address) else {
      preconditionFailure("Storage: bytes of \(byteCount) bytes on the device read as main memory")
    }
    return pointer
  }

  /// Owned host memory, aligned to 64 bytes, not initialised. When there is none left, see
  /// `MemoryExhaustion`.
  package init(byteCount: Int) {
    address = UInt(bitPattern: ck_allocate(max(byteCount, 64), 64))
    self.byteCount = byteCount
    place = .host
    owner = nil
  }

  /// Bytes that something else owns, such as a mapped file, and that `owner` keeps alive.
  package init(borrowing bytes: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
    address = UInt(bitPattern: bytes)
    self.byteCount = byteCount
    place = .host
    self.owner = owner
  }

  /// Memory of the device. `owner` gives it back when the storage is no longer used.
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
