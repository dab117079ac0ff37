import Files
import Foundation
import Tensors
import Testing

@Suite struct MappedFileTests {
  @Test func mapsAllBytes() throws {
    try withTemporaryFolder { folder in
      let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      try writeAtomically(bytes, to: folder + "/a.bin")
      #expect(try MappedFile(path: folder + "/a.bin").withBytes { Array($0) } == bytes)
    }
  }

  @Test func emptyFileMapsToNoBytes() throws {
    try withTemporaryFolder { folder in
      try writeAtomically([UInt8](), to: folder + "/a.bin")
      let file = try MappedFile(path: folder + "/a.bin")
      #expect(file.withBytes { $0.isEmpty })
      #expect(file.storage().byteCount == 0)
    }
  }

  @Test func storageOutlivesTheMappedFile() throws {
    try withTemporaryFolder { folder in
      try writeAtomically([1, 2, 3], to: folder + "/a.bin")
      let storage = try MappedFile(path: folder + "/a.bin").storage()
      #expect(storage.isReadOnly)
      #expect(storage.bytes.load(fromByteOffset: 2, as: UInt8.self) == 3)
    }
  }

  @Test func linkIsFollowed() throws {
    try withTemporaryFolder { folder in
      try writeAtomically([1, 2, 3], to: folder + "/a.bin")
      try FileManager.default.createSymbolicLink(atPath: folder + "/b.bin", withDestinationPath: "a.bin")
      #expect(try MappedFile(path: folder + "/b.bin").withBytes { Array($0) } == [1, 2, 3])
    }
  }

  @Test func missingFileIsNamed() {
    #expect(throws: Fault(.missing, "/nowhere/a.bin: no such file")) {
      try MappedFile(path: "/nowhere/a.bin")
    }
  }

  @Test func folderIsRefused() throws {
    try withTemporaryFolder { folder in
      #expect(throws: Fault(.missing, "\(folder): is a folder; expected a file")) {
        try MappedFile(path: folder)
      }
    }
  }

  @Test func pipeIsRefusedWithoutWaiting() throws {
    try withTemporaryFolder { folder in
      #expect(mkfifo(folder + "/p", 0o600) == 0)
      #expect(throws: Fault(.missing, "\(folder)/p: is not a regular file; expected a file")) {
        try MappedFile(path: folder + "/p")
      }
    }
  }

  @Test func nulInThePathIsRefused() {
    #expect(throws: Fault(.missing, "a\u{0}b: no file name may hold a NUL")) {
      try MappedFile(path: "a\u{0}b")
    }
  }
}
