/// Numbers of blocks, or of threads, in up to three dimensions.
@usableFromInline
package struct LaunchExtent: Equatable, Sendable, ExpressibleByIntegerLiteral {
  /// Number along each dimension.
  package var x: Int, y: Int, z: Int

  /// `x`, by `y`, by `z`.
  package init(_ x: Int, _ y: Int = 1, _ z: Int = 1) {
    self.x = x
    self.y = y
    self.z = z
  }

  @usableFromInline
  package init(integerLiteral value: Int) { self.init(value) }

  /// Enough blocks of `block` threads for `count` elements, but at most `most`. Kernels stride over the rest.
  package static func covering(_ count: Int, block: Int, most: Int = 65_536) -> LaunchExtent {
    LaunchExtent(min(most, (count + block - 1) / block))
  }
}
