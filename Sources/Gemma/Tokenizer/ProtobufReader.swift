import Files

/// A bounds-checked reader of protocol-buffer wire format over part of a file's bytes.
///
/// It knows what SentencePiece models use: varints, 32-bit and 64-bit values and length-delimited fields.
/// Groups are refused.
struct ProtobufReader {
  /// One field as it stands in the file.
  struct Field {
    let number: UInt64
    let value: Value
  }

  /// The value of a field by its wire type.
  enum Value {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64
    /// Range of the payload in bytes of the file.
    case bytes(Range<Int>)
  }

  private let bytes: [UInt8]
  private let file: String
  private var position: Int
  private let end: Int

  /// A reader of the bytes in `range` of the contents of `file`.
  init(_ bytes: [UInt8], range: Range<Int>, file: String) {
    self.bytes = bytes
    self.file = file
    position = range.lowerBound
    end = range.upperBound
  }

  /// The next field; nil at the end.
  mutating func next() throws -> Field? {
    guard position < end else { return nil }
    let start = position
    let tag = try varint()
    let number = tag >> 3
    guard number > 0 else { throw fault(at: start, "field number 0; expected a SentencePiece model") }
    switch tag & 7 {
    case 0: return Field(number: number, value: .varint(try varint()))
    case 1:
      _ = try take(8)
      return Field(number: number, value: .fixed64)
    case 2: return Field(number: number, value: .bytes(try delimited()))
    case 5:
      let range = try take(4)
      let value = range.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[$1]) }
      return Field(number: number, value: .fixed32(value))
    case let type: throw fault(at: start, "wire type \(type) in field \(number); expected 0, 1, 2 or 5")
    }
  }

  /// A reader of the message nested at `range`.
  func nested(_ range: Range<Int>) -> ProtobufReader { ProtobufReader(bytes, range: range, file: file) }

  /// A fault at byte `offset` of the file.
  func fault(at offset: Int, _ problem: String) -> Fault {
    Fault(.badData, file: file, place: "byte \(offset)", problem)
  }

  private mutating func varint() throws -> UInt64 {
    let start = position
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < end {
      let byte = bytes[position]
      position += 1
      // The tenth byte has room for one bit: a longer or larger number does not fit 64 bits.
      guard shift < 63 || byte <= 1 else { throw fault(at: start, "a number of more than 64 bits") }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw fault(at: start, "the file ends inside a number")
  }

  private mutating func delimited() throws -> Range<Int> {
    let start = position
    let length = try varint()
    guard let count = Int(exactly: length), count <= end - position else {
      throw fault(at: start, "a field of \(length) bytes, only \(end - position) are left")
    }
    return try take(count)
  }

  private mutating func take(_ count: Int) throws -> Range<Int> {
    guard count <= end - position else {
      throw fault(at: position, "a value of \(count) bytes, only \(end - position) are left")
    }
    defer { position += count }
    return position..<position + count
  }
}
