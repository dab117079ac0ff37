/// A version of CUDA or of one of its libraries.
package struct CUDAVersion: Comparable, Sendable, CustomStringConvertible {
  /// 13 and 2 in 13.2.
  package var major: Int, minor: Int

  /// Version 13.2 from 13 and 2.
  package init(_ major: Int, _ minor: Int) {
    self.major = major
    self.minor = minor
  }

  /// Such as "13.2".
  package var description: String { "\(major).\(minor)" }

  package static func < (a: CUDAVersion, b: CUDAVersion) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
}
