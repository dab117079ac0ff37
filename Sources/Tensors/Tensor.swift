/// Sizes of a tensor's dimensions, outermost first.
package typealias Shape = [Int]

/// A dense row-major array: a value over shared storage.
///
/// Operations return new tensors. Only optimizers and gradient accumulators write in place.
package struct Tensor {
  /// Sizes of the dimensions, outermost first.
  package let shape: Shape
  /// Element type.
  package let dtype: DType
  /// Where the elements live.
  package let place: Place
  /// The shared bytes.
  package let storage: Storage
  /// First byte of this tensor in `storage`.
  package let byteOffset: Int
  /// The tape's record of how this value came about; nil when nothing is to be differentiated.
  package var node: TapeNode?

  /// A tensor over existing bytes. The range must lie within `storage`.
  package init(_ shape: Shape, _ dtype: DType, storage: Storage, byteOffset: Int = 0) {
    precondition(
      byteOffset >= 0 && byteOffset + shape.reduce(1, *) * dtype.byteCount <= storage.byteCount,
      "Tensor: \(shape) \(dtype) at byte \(byteOffset) exceeds a storage of \(storage.byteCount) bytes")
    self.shape = shape
    self.dtype = dtype
    place = storage.place
    self.storage = storage
    self.byteOffset = byteOffset
  }

  /// A new host tensor, not initialised.
  package init(uninitialized shape: Shape, _ dtype: DType) {
    self.init(shape, dtype, storage: Storage(byteCount: shape.reduce(1, *) * dtype.byteCount))
  }

  /// A new host tensor of zeros.
  package init(zeros shape: Shape, _ dtype: DType) {
    self.init(uninitialized: shape, dtype)
    bytes.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }

  /// A new float32 host tensor of the given elements, in row-major order.
  package init(_ elements: [Float], _ shape: Shape) {
    precondition(elements.count == shape.reduce(1, *), "Tensor: \(elements.count) elements for \(shape)")
    self.init(uninitialized: shape, .float32)
    elements.withUnsafeBytes {
      bytes.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(bytes), byteCount: $0.count)
    }
  }

  /// A new int32 host tensor [count].
  package init(_ elements: [Int32]) {
    self.init(uninitialized: [elements.count], .int32)
    elements.withUnsafeBytes {
      bytes.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(bytes), byteCount: $0.count)
    }
  }

  /// Number of elements.
  package var count: Int { shape.reduce(1, *) }
  /// Number of bytes of all elements.
  package var byteCount: Int { count * dtype.byteCount }
  /// Size of the last dimension: the length of one row.
  package var rowLength: Int { shape.last ?? 1 }
  /// Number of rows: the product of all dimensions except for the last.
  package var rowCount: Int { rowLength == 0 ? 0 : count / rowLength }

  /// Address of the first byte in its place.
  package var address: UInt { storage.address + UInt(byteOffset) }

  /// First byte of a host tensor. It is valid while this tensor, or another over the same storage, is alive.
  /// A tensor that only an array holds may end with the array's last use, so copy it to a constant first.
  package var bytes: UnsafeMutableRawPointer { storage.bytes + byteOffset }

  /// First element of a float32 host tensor.
  package var float32: UnsafeMutablePointer<Float> { typed(.float32, Float.self) }
  /// First element of a bfloat16 host tensor, as bits.
  package var bfloat16: UnsafeMutablePointer<UInt16> { typed(.bfloat16, UInt16.self) }
  /// First element of an int32 host tensor.
  package var int32: UnsafeMutablePointer<Int32> { typed(.int32, Int32.self) }
  /// First element of a uint8 host tensor.
  package var uint8: UnsafeMutablePointer<UInt8> { typed(.uint8, UInt8.self) }

  private func typed<Element>(_ expected: DType, _: Element.Type) -> UnsafeMutablePointer<Element> {
    precondition(dtype == expected, "Tensor: read as \(expected), is \(dtype) \(shape)")
    return bytes.assumingMemoryBound(to: Element.self)
  }

  /// The tensor in another shape; no copy. It is not recorded on a tape (`Operations.reshape` is).
  package func reshaped(_ shape: Shape) -> Tensor {
    precondition(shape.reduce(1, *) == count, "reshaped: \(self.shape) to \(shape)")
    return Tensor(shape, dtype, storage: storage, byteOffset: byteOffset)
  }

  /// Rows of the outermost dimension; no copy, no tape.
  package func rows(_ range: Range<Int>) -> Tensor {
    let stride = shape.dropFirst().reduce(1, *) * dtype.byteCount
    precondition(
      !shape.isEmpty && range.lowerBound >= 0 && range.upperBound <= shape[0],
      "rows: \(range) of \(shape)")
    return Tensor(
      [range.count] + shape.dropFirst(), dtype, storage: storage,
      byteOffset: byteOffset + range.lowerBound * stride)
  }

  /// The value without its tape history: a constant for the tape.
  package var detached: Tensor { Tensor(shape, dtype, storage: storage, byteOffset: byteOffset) }

  /// A copy with its own storage and without tape history.
  package func copied() -> Tensor {
    let copy = Tensor(uninitialized: shape, dtype)
    copy.bytes.copyMemory(from: bytes, byteCount: byteCount)
    return copy
  }

  /// All elements of a float32 or bfloat16 tensor, widened: for tests, logs and small results.
  package var floats: [Float] {
    switch dtype {
    case .float32: Array(UnsafeBufferPointer(start: float32, count: count))
    case .bfloat16: UnsafeBufferPointer(start: bfloat16, count: count).map(widened)
    case .int32: UnsafeBufferPointer(start: int32, count: count).map(Float.init)
    case .uint8: UnsafeBufferPointer(start: uint8, count: count).map(Float.init)
    }
  }

  /// All elements of an int32 tensor.
  package var ints: [Int32] { Array(UnsafeBufferPointer(start: int32, count: count)) }
}

/// The float32 value of the bits of a bfloat16.
package func widened(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

/// Bits of the nearest bfloat16, ties to even; NaN stays NaN.
package func roundedToBFloat16(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  if value.isNaN { return UInt16(bits >> 16) | 0x40 }
  return UInt16((bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
}
