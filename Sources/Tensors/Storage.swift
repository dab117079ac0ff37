import Foundation

/// Where the bytes of a tensor live.
package enum Place: Sendable, Equatable {
  /// Main memory: the only place that the CPU kernels read and write.
  case host
}

/// A run of bytes that tensors share: owned memory, or part of a mapped file that stays mapped as long as it is used.
package final class Storage {
  /// First byte. Pages of a mapped file are read-only: writing to them is a fault of the caller.
  package let bytes: UnsafeMutableRawPointer
  /// Length in bytes.
  package let byteCount: Int
  /// Where `bytes` points to.
  package let place: Place
  /// Keeps a mapped file alive; nil when the bytes are this object's own.
  private let owner: AnyObject?

  /// Owned host memory, aligned to 64 bytes, not initialised.
  package init(byteCount: Int) {
    bytes = .allocate(byteCount: max(byteCount, 64), alignment: 64)
    self.byteCount = byteCount
    place = .host
    owner = nil
  }

  /// Bytes of something else (a mapped file) that `owner` keeps alive.
  package init(borrowing bytes: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
    self.bytes = bytes
    self.byteCount = byteCount
    place = .host
    self.owner = owner
  }

  /// True when the bytes belong to someone else and must not be written.
  package var isReadOnly: Bool { owner != nil }

  deinit {
    if owner == nil { bytes.deallocate() }
  }
}
