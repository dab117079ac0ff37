/// The arguments of a launch, in memory that the caller keeps: pointers to them, then their values.
///
/// It is inlined where a kernel is launched, in another module: there the arguments' types are known.
@usableFromInline
package struct ArgumentArea {
  /// Arguments at most, of 8 bytes each.
  @usableFromInline static let capacity = 64
  /// Bytes of the memory that `init` wants.
  @usableFromInline package static let byteCount = 2 * 8 * capacity

  /// What the driver is given: where each argument's value is.
  @usableFromInline let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  /// Where the values are, 8 bytes each.
  @usableFromInline let values: UnsafeMutableRawPointer
  /// Arguments so far.
  @usableFromInline var count = 0
  /// Bit i is set where argument i has 8 bytes and not 4.
  @usableFromInline var longArguments: UInt64 = 0

  /// No arguments yet, in memory of `byteCount` bytes.
  @usableFromInline
  package init(_ memory: UnsafeMutableRawBufferPointer) {
    guard let start = memory.baseAddress else { preconditionFailure("ArgumentArea: no memory") }
    pointers = start.bindMemory(to: UnsafeMutableRawPointer?.self, capacity: Self.capacity)
    values = start + 8 * Self.capacity
  }

  /// Writes down the next argument.
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
