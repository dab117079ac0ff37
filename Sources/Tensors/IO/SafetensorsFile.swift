import Files

/// A mapped safetensors file: u64 little-endian header length, JSON header, then the tensors' bytes end to
/// end.
///
/// Opening checks the whole header, more strictly than the reference reader does: no name twice, no hole, no
/// overlap, no bytes after the last tensor, and no key that the format does not have.
/// Source: github.com/huggingface/safetensors, README and safetensors/src/tensor.rs.
package struct SafetensorsFile {
  /// What the header says of one tensor.
  package struct Entry: Equatable, Sendable {
    /// Element type.
    package let dtype: DType
    /// Sizes of the dimensions. Their product and its bytes fit in Int.
    package let shape: Shape
    /// First byte in the file.
    let byteOffset: Int
    /// Length in bytes.
    package let byteCount: Int
  }

  /// The longest header that is read, in bytes.
  package static let maximumHeaderLength = 100_000_000
  /// The most tensors that one file may hold.
  package static let maximumTensorCount = 100_000

  /// The path as it was given.
  package var path: String { file.path }
  /// Names of the tensors in the order of the header.
  package let names: [String]
  /// Text under `__metadata__`.
  package let metadata: [String: String]
  private let entries: [String: Entry]
  private let file: MappedFile
  private let storage: Storage

  /// Maps the file and checks its header; reads no tensor.
  /// - Throws: `Fault` .missing without a readable file, .badData naming file and tensor.
  package init(path: String) throws {
    file = try MappedFile(path: path)
    storage = file.storage()
    let header = try file.withBytes { [path = file.path] in try SafetensorsHeader(bytes: $0, path: path) }
    names = header.tensors.map(\.name)
    metadata = header.metadata
    entries = Dictionary(header.tensors) { first, _ in first }
  }

  /// Dtype and shape of a tensor; nil when the file has no tensor of that name.
  package func entry(named name: String) -> Entry? { entries[name] }

  /// The tensor over the mapped bytes, without a copy. It keeps the mapping alive and must not be written to.
  /// A tensor whose bytes do not lie at a multiple of its element size is copied.
  /// - Throws: `Fault` .badData when the file has no tensor of that name.
  package func tensor(named name: String) throws -> Tensor {
    guard let entry = entries[name] else { throw Fault(.badData, file: path, place: name, "no such tensor") }
    guard entry.byteOffset.isMultiple(of: entry.dtype.byteCount) else { return copy(of: entry) }
    return Tensor(entry.shape, entry.dtype, storage: storage, byteOffset: entry.byteOffset)
  }

  private func copy(of entry: Entry) -> Tensor {
    let tensor = Tensor(uninitialized: entry.shape, entry.dtype)
    tensor.bytes.copyMemory(from: storage.bytes + entry.byteOffset, byteCount: entry.byteCount)
    return tensor
  }
}

/// The keys of a tensor's entry.
private enum Key {
  static let dtype = JSONKey<DType>(
    "dtype", expected: "F32, BF16, I32 or U8", read: { $0.stringValue.flatMap(DType.init(rawValue:)) },
    write: { .string($0.rawValue) })
  static let shape = JSONKey<Shape>(
    "shape", expected: "an array of whole numbers", read: sizes, write: { .array($0.map { .int($0) }) })
  /// Where the tensor's bytes begin and end, counted from the end of the header.
  static let range = JSONKey<Range<Int>>(
    "data_offsets", expected: "[begin, end]",
    read: { value in
      guard let sizes = sizes(value), sizes.count == 2, sizes[0] <= sizes[1] else { return nil }
      return sizes[0]..<sizes[1]
    }, write: { .array([.int($0.lowerBound), .int($0.upperBound)]) })

  @Sendable private static func sizes(_ value: JSONValue) -> [Int]? {
    guard let elements = value.arrayValue else { return nil }
    let sizes = elements.compactMap(\.intValue).filter { $0 >= 0 }
    return sizes.count == elements.count ? sizes : nil
  }
}

/// The checked header of a safetensors file.
private struct SafetensorsHeader {
  var tensors: [(name: String, entry: SafetensorsFile.Entry)] = []
  var metadata: [String: String] = [:]
  private let path: String
  private let fileLength: Int
  /// Where the tensors' bytes begin.
  private let dataStart: Int

  init(bytes: UnsafeRawBufferPointer, path: String) throws {
    self.path = path
    fileLength = bytes.count
    dataStart = try 8 + Self.headerLength(bytes, path)
    let text = UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart])
    guard text.first == UInt8(ascii: "{"), case .object(let header) = try JSONValue(parsing: text, file: path)
    else { throw Fault(.badData, file: path, "the header does not begin with '{'; expected a JSON object") }
    guard header.members.count <= SafetensorsFile.maximumTensorCount else {
      throw Fault(
        .badData, file: path,
        "\(header.members.count) tensors; expected at most \(SafetensorsFile.maximumTensorCount)")
    }
    for (name, value) in header.members {
      if name == "__metadata__" {
        metadata = try readMetadata(value)
      } else {
        tensors.append((name, try readEntry(value, name)))
      }
    }
    try checkNames()
    try checkRanges()
  }

  private static func headerLength(_ bytes: UnsafeRawBufferPointer, _ path: String) throws -> Int {
    guard bytes.count >= 8 else {
      throw Fault(
        .badData, file: path, "\(bytes.count) bytes long; expected a safetensors file of at least 8"
      )
    }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= SafetensorsFile.maximumHeaderLength else {
      throw Fault(
        .badData, file: path,
        "header length \(length); expected at most \(SafetensorsFile.maximumHeaderLength)")
    }
    guard Int(length) <= bytes.count - 8 else {
      throw Fault(
        .badData, file: path,
        "header length \(length), but only \(bytes.count - 8) bytes follow; the file is cut short")
    }
    return Int(length)
  }

  private func fault(_ name: String, _ problem: String, hint: String? = nil) -> Fault {
    Fault(.badData, file: path, place: name, problem, hint: hint)
  }

  private func readMetadata(_ value: JSONValue) throws -> [String: String] {
    let fields = try JSONFields(
      value, file: path, place: "__metadata__", expected: "an object of strings")
    var metadata: [String: String] = [:]
    for key in fields.object.keys { metadata[key] = try fields.read(.text(key)) }
    return metadata
  }

  private func readEntry(_ value: JSONValue, _ name: String) throws -> SafetensorsFile.Entry {
    guard name.utf8.count <= 1024 else {
      throw fault(quoted(name), "a name of \(name.utf8.count) bytes; expected at most 1024")
    }
    guard !name.utf8.contains(0) else { throw fault(name, "a NUL in the name") }
    let fields = try JSONFields(
      value, file: path, place: name, expected: "an object with dtype, shape and data_offsets")
    for key in fields.object.keys where ![Key.dtype.name, Key.shape.name, Key.range.name].contains(key) {
      throw fault(name, "unknown key \(quoted(key)); expected dtype, shape and data_offsets")
    }
    let dtype = try fields.read(Key.dtype)
    let shape = try fields.read(Key.shape)
    let range = try fields.read(Key.range)
    return try checkedEntry(dtype, shape, begin: range.lowerBound, end: range.upperBound, name)
  }

  private func checkedEntry(
    _ dtype: DType, _ shape: Shape, begin: Int, end: Int, _ name: String
  ) throws -> SafetensorsFile.Entry {
    // A size of zero counts as one here: no product of some of the sizes may overflow either.
    var limit = dtype.byteCount
    for size in shape {
      let (product, overflow) = limit.multipliedReportingOverflow(by: max(size, 1))
      guard !overflow else { throw fault(name, "shape \(shape) overflows the count of bytes") }
      limit = product
    }
    let byteCount = shape.contains(0) ? 0 : limit
    guard byteCount == end - begin else {
      throw fault(
        name, "shape \(shape) of \(dtype.rawValue) takes \(byteCount) bytes, data_offsets give \(end - begin)"
      )
    }
    guard end <= fileLength - dataStart else {
      throw fault(
        name, "ends at byte \(end) of the data, the file at \(fileLength - dataStart); the file is cut short")
    }
    return SafetensorsFile.Entry(
      dtype: dtype, shape: shape, byteOffset: dataStart + begin, byteCount: byteCount)
  }

  /// Refuses names that Swift takes as equal although their bytes differ. Equal bytes are caught earlier, as
  /// a repeated JSON key.
  private func checkNames() throws {
    var seen: Set<String> = []
    for (name, _) in tensors where !seen.insert(name).inserted {
      throw fault(name, "the name stands twice, in two forms of Unicode")
    }
  }

  private func checkRanges() throws {
    var end = dataStart
    var previous = "the header"
    let byPlace = tensors.sorted {
      ($0.entry.byteOffset, $0.entry.byteCount) < ($1.entry.byteOffset, $1.entry.byteCount)
    }
    for (name, entry) in byPlace {
      guard entry.byteOffset >= end else {
        throw fault(
          name, "begins \(end - entry.byteOffset) bytes before the end of \(previous); they overlap")
      }
      guard entry.byteOffset == end else {
        throw fault(
          name, "begins \(entry.byteOffset - end) bytes after the end of \(previous); expected no hole")
      }
      end += entry.byteCount
      previous = name
    }
    guard end == fileLength else {
      throw Fault(.badData, file: path, "\(fileLength - end) bytes after the last tensor; expected none")
    }
  }
}
