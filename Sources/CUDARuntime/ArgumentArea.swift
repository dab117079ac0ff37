/// The arguments of a launch in memory that the caller owns: pointers to them, then their values.
///
/// It is inlined into the launches of other modules, because the types of the arguments are known there.
@usableFromInline
package struct ArgumentArea {
  /// The most arguments; each takes up to 8 bytes.
  @usableFromInline static let capacity = 64
  /// Bytes of memory that `init` needs.
  @usableFromInline package static let byteCount = 2 * 8 * capacity

  /// The array that the driver gets: a pointer to the value of each argument.
  @usableFromInline let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  /// The values, in places of 8 bytes each.
  @usableFromInline let values: UnsafeMutableRawPointer
  /// Arguments so far.
  @usableFromInline var count = 0
  /// Bit i is set when argument i has 8 bytes, and not 4.
  @usableFromInline var longArguments: UInt64 = 0

  /// No arguments yet, in memory of `byteCount` bytes.
  @usableFromInline
  package init(_ memory: UnsafeMutableRawBufferPointer) {
    guard let start = memory.baseAddress else { preconditionFailure("ArgumentArea: no memory") }
    pointers = start.bindMemory(to: UnsafeMutableRawPointer?.self, capacity: Self.capacity)
    values = start + 8 * Self.capacity
  }

  /// Writes the next argument.
  @inlinable
  package mutating func append<Argument: KernelArgument>(_ argument: Argument) {
    precondition(count < Self.capacity && MemoryLayout<Argument>.size <= 8, "launch: too many arguments")
    let place = values + 8 * count
    place.storeBytes(of: argument, as: Argument.self)
    (pointers + count).initialize(to: place)
    if MemoryLayout<Argument>.size == 8 { longArguments |= 1 << UInt64(count) }
    count += 1
  }

  /// Bytes of argument `index`.
  func size(_ index: Int) -> Int { longArguments >> UInt64(index) & 1 == 1 ? 8 : 4 }
}
