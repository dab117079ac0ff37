import Files
import Foundation
import Tensors
import Testing

/// The bytes of a safetensors file: header length, header, data.
private func file(_ header: String, data: Int = 0, length: UInt64? = nil) -> [UInt8] {
  let text = Array(header.utf8)
  let prefix = withUnsafeBytes(of: (length ?? UInt64(text.count)).littleEndian) { Array($0) }
  return prefix + text + (0..<data).map { UInt8(truncatingIfNeeded: $0) }
}

/// A file that must be refused, and the message after its name.
private struct BadFile: CustomTestStringConvertible, Sendable {
  let name: String
  let bytes: [UInt8]
  let message: String
  var testDescription: String { name }

  init(_ name: String, _ bytes: [UInt8], _ message: String) {
    self.name = name
    self.bytes = bytes
    self.message = message
  }

  /// A file with one tensor `a`: its entry in the header, and `data` bytes.
  init(_ name: String, entry: String, data: Int = 8, _ message: String) {
    self.init(name, file(#"{"a":"# + entry + "}", data: data), message)
  }
}

private let badFiles: [BadFile] = [
  BadFile("empty", [], ": 0 bytes long; expected a safetensors file of at least 8"),
  BadFile(
    "seven bytes", [UInt8](repeating: 0, count: 7),
    ": 7 bytes long; expected a safetensors file of at least 8"),
  BadFile(
    "header length 2^64 - 1", file("{}", length: .max),
    ": header length 18446744073709551615; expected at most 100000000"),
  BadFile(
    "header longer than the file", file("{}", length: 3),
    ": header length 3, but only 2 bytes follow; the file is cut short"),
  BadFile("no header", file(""), ": the header does not begin with '{'; expected a JSON object"),
  BadFile("header is an array", file("[]"), ": the header does not begin with '{'; expected a JSON object"),
  BadFile(
    "header begins with a blank", file(" {}"), ": the header does not begin with '{'; expected a JSON object"),
  BadFile("header is no JSON", file("{\"a\"}"), ":1:5: unexpected '}'; expected ':'"),
  BadFile("bad UTF-8", file("{\"", length: 3) + [0xFF], ":1:3: bad UTF-8"),
  BadFile(
    "name twice",
    file(
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
      data: 2), ":1:54: duplicate key \"a\""),
  BadFile(
    "name twice in two forms",
    file(
      #"{"\u00e9":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"e\u0301":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
      data: 2), ": e\u{301}: the name stands twice, in two forms of Unicode"),
  BadFile(
    "NUL in a name", file(#"{"a\u0000":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, data: 1),
    ": a\\u{0}: a NUL in the name"),
  BadFile(
    "long name", file("{\"" + String(repeating: "x", count: 1025) + "\":{}}"),
    ": \"" + String(repeating: "x", count: 60) + "…\": a name of 1025 bytes; expected at most 1024"),
  BadFile(
    "metadata is an array", file(#"{"__metadata__":[]}"#),
    ": __metadata__: got []; expected an object of strings"),
  BadFile(
    "metadata of a number", file(#"{"__metadata__":{"k":1}}"#),
    ": __metadata__: k: got 1; expected text"),
  BadFile(
    "entry is a number", entry: "1", ": a: got 1; expected an object with dtype, shape and data_offsets"),
  BadFile(
    "unknown key", entry: #"{"dtype":"F32","shape":[2],"data_offsets":[0,8],"extra":1}"#,
    ": a: unknown key \"extra\"; expected dtype, shape and data_offsets"),
  BadFile(
    "no dtype", entry: #"{"shape":[2],"data_offsets":[0,8]}"#,
    ": a: dtype: missing; expected F32, BF16, I32 or U8"),
  BadFile(
    "dtype is a number", entry: #"{"dtype":4,"shape":[2],"data_offsets":[0,8]}"#,
    ": a: dtype: got 4; expected F32, BF16, I32 or U8"),
  BadFile(
    "float16", entry: #"{"dtype":"F16","shape":[4],"data_offsets":[0,8]}"#,
    ": a: dtype: got \"F16\"; expected F32, BF16, I32 or U8"),
  BadFile(
    "no shape", entry: #"{"dtype":"F32","data_offsets":[0,8]}"#,
    ": a: shape: missing; expected an array of whole numbers"),
  BadFile(
    "shape is a number", entry: #"{"dtype":"F32","shape":2,"data_offsets":[0,8]}"#,
    ": a: shape: got 2; expected an array of whole numbers"),
  BadFile(
    "fractional size", entry: #"{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}"#,
    ": a: shape: got [2.0]; expected an array of whole numbers"),
  BadFile(
    "negative size", entry: #"{"dtype":"F32","shape":[-2,-1],"data_offsets":[0,8]}"#,
    ": a: shape: got [-2,-1]; expected an array of whole numbers"),
  BadFile(
    "size beyond Int", entry: #"{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}"#,
    ": a: shape: got [99999999999999999999]; expected an array of whole numbers"),
  BadFile(
    "shape overflow", entry: #"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}"#,
    ": a: shape [4294967296, 4294967296] overflows the count of bytes"),
  BadFile(
    "shape overflow beside a zero",
    entry: #"{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}"#, data: 0,
    ": a: shape [0, 4294967296, 4294967296] overflows the count of bytes"),
  BadFile(
    "overflow in bytes only", entry: #"{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}"#,
    ": a: shape [4611686018427387904] overflows the count of bytes"),
  BadFile(
    "one offset", entry: #"{"dtype":"F32","shape":[2],"data_offsets":[8]}"#,
    ": a: data_offsets: got [8]; expected [begin, end]"),
  BadFile(
    "offsets backward", entry: #"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#,
    ": a: data_offsets: got [8,0]; expected [begin, end]"),
  BadFile(
    "shape and offsets differ", entry: #"{"dtype":"F32","shape":[3],"data_offsets":[0,8]}"#,
    ": a: shape [3] of F32 takes 12 bytes, data_offsets give 8"),
  BadFile(
    "cut short", entry: #"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, data: 7,
    ": a: ends at byte 8 of the data, the file at 7; the file is cut short"),
  BadFile(
    "bytes after the end", entry: #"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, data: 9,
    ": 1 bytes after the last tensor; expected none"),
  BadFile(
    "hole before the first", entry: #"{"dtype":"F32","shape":[2],"data_offsets":[4,12]}"#, data: 12,
    ": a: begins 4 bytes after the end of the header; expected no hole"),
  BadFile(
    "overlap",
    file(
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[3],"data_offsets":[3,6]}}"#,
      data: 6), ": b: begins 1 bytes before the end of a; they overlap"),
  BadFile(
    "hole",
    file(
      #"{"b":{"dtype":"U8","shape":[3],"data_offsets":[6,9]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
      data: 9), ": b: begins 2 bytes after the end of a; expected no hole"),
]

@Suite struct SafetensorsTests {
  @Test(arguments: badFiles) private func badFileIsRefused(_ bad: BadFile) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/bad.safetensors"
      try writeAtomically(bad.bytes, to: path)
      #expect(throws: Fault(.badData, path + bad.message)) { try SafetensorsFile(path: path) }
    }
  }

  @Test func manyTensorsAreRefused() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/many.safetensors"
      let entry = #":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#
      let header = (0...100_000).map { "\"\($0)\"" + entry }.joined(separator: ",")
      try writeAtomically(file("{" + header + "}"), to: path)
      #expect(throws: Fault(.badData, path + ": 100001 tensors; expected at most 100000")) {
        try SafetensorsFile(path: path)
      }
    }
  }

  @Test func writtenTensorsReadBack() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.safetensors"
      let half = Tensor(uninitialized: [3], .bfloat16)
      for (index, bits) in [UInt16(0x3F80), 0xC000, 0x7FC0].enumerated() { half.bfloat16[index] = bits }
      let codes = Tensor(zeros: [5], .uint8)
      codes.uint8[4] = 255
      let written: [(name: String, tensor: Tensor)] = [
        ("codes", codes), ("weight", Tensor([1, -2.5, .infinity, .leastNonzeroMagnitude, 0, -0.0], [2, 3])),
        ("half", half),
        ("ids", Tensor([7, -1])), ("scalar", Tensor([42], [])), ("none", Tensor([], [0, 4])),
      ]
      try SafetensorsWriter.write(written, to: path)
      let read = try SafetensorsFile(path: path)
      #expect(read.names == written.map(\.name))
      #expect(read.metadata == ["format": "pt"])
      for (name, tensor) in written {
        let back = try read.tensor(named: name)
        #expect(back.shape == tensor.shape && back.dtype == tensor.dtype, "\(name)")
        #expect(memcmp(back.bytes, tensor.bytes, tensor.byteCount) == 0, "\(name)")
      }
      #expect(try readFile(path).count == SafetensorsWriter.byteCount(of: written))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.safetensors"])
    }
  }

  @Test func dataBeginAtAMultipleOfEight() throws {
    try withTemporaryFolder { folder in
      for length in 1...8 {
        let path = folder + "/\(length).safetensors"
        try SafetensorsWriter.write([(String(repeating: "n", count: length), Tensor([1], [1]))], to: path)
        let bytes = try readFile(path)
        #expect(bytes[0].isMultiple(of: 8) && Int(bytes[0]) == bytes.count - 12)
      }
    }
  }

  @Test func tensorsShareTheMappingAndOutliveTheFile() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.safetensors"
      try SafetensorsWriter.write([("a", Tensor([1, 2], [2])), ("b", Tensor([3], [1]))], to: path)
      let tensors = try { () throws -> [Tensor] in
        let file = try SafetensorsFile(path: path)
        return [try file.tensor(named: "a"), try file.tensor(named: "b")]
      }()
      #expect(tensors[0].storage === tensors[1].storage && tensors[0].storage.isReadOnly)
      #expect(tensors[0].floats == [1, 2] && tensors[1].floats == [3])
    }
  }

  @Test func unalignedTensorIsCopied() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.safetensors"
      try SafetensorsWriter.write(
        [("odd", Tensor(zeros: [1], .uint8)), ("a", Tensor([1, 2], [2]))], to: path)
      let tensor = try SafetensorsFile(path: path).tensor(named: "a")
      #expect(!tensor.storage.isReadOnly && Int(bitPattern: tensor.bytes).isMultiple(of: 4))
      #expect(tensor.floats == [1, 2])
    }
  }

  @Test func headerLengthThatIsNoMultipleOfEightIsRead() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.safetensors"
      let header = #"{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}} "#
      #expect(!header.utf8.count.isMultiple(of: 4))
      try writeAtomically(file(header, data: 4), to: path)
      #expect(try SafetensorsFile(path: path).tensor(named: "a").ints == [0x0302_0100])
    }
  }

  @Test func entryGivesDTypeAndShape() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.safetensors"
      try SafetensorsWriter.write([("a", Tensor(zeros: [2, 3], .bfloat16))], to: path)
      let file = try SafetensorsFile(path: path)
      #expect(file.entry(named: "a")?.dtype == .bfloat16)
      #expect(file.entry(named: "a")?.shape == [2, 3])
      #expect(file.entry(named: "a")?.byteCount == 12)
      #expect(file.entry(named: "b") == nil)
    }
  }

  @Test func missingTensorIsNamed() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.safetensors"
      try SafetensorsWriter.write([], to: path)
      #expect(throws: Fault(.badData, path + ": b: no such tensor")) {
        try SafetensorsFile(path: path).tensor(named: "b")
      }
    }
  }

  @Test func folderThatIsMissingCannotBeWrittenTo() {
    #expect(
      throws: Fault(.cannotCreate, "/nowhere/a.safetensors: cannot be created: No such file or directory")
    ) {
      try SafetensorsWriter.write([], to: "/nowhere/a.safetensors")
    }
  }

  @Test func failedWriteLeavesTheOldFile() throws {
    try withTemporaryFolder { folder in
      // A folder of that name makes the rename fail, after all bytes are written.
      let path = folder + "/a.safetensors"
      try makeDirectory(path)
      #expect(throws: Fault(.cannotWrite, path + ": cannot be written: Is a directory")) {
        try SafetensorsWriter.write([("a", Tensor([1], [1]))], to: path)
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.safetensors"])
    }
  }
}
