import Files
import Foundation
import Testing

/// Bytes whose last page cannot be read: writing them ends with "Bad address".
private func withUnreadableEnd(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
  let page = Int(getpagesize())
  let memory = mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  let start = try #require(memory == MAP_FAILED ? nil : memory)
  defer { munmap(start, 2 * page) }
  #expect(mprotect(start + page, page, PROT_NONE) == 0)
  try body(UnsafeRawBufferPointer(start: start, count: 2 * page))
}

/// The files and texts of a folder after `body`. The folder had an old file `a`, and is removed.
private func contents(after body: (_ path: String) throws -> Void) throws -> [String: String] {
  var found: [String: String] = [:]
  try withFolder { folder in
    try writeAtomically("old", to: folder + "/a")
    try body(folder + "/a")
    found = try contents(of: folder)
  }
  return found
}

/// Text of each file of a folder.
private func contents(of folder: String) throws -> [String: String] {
  var texts: [String: String] = [:]
  for name in try names(in: folder) where !isDirectory("\(folder)/\(name)") {
    texts[name] = String(decoding: try readFile("\(folder)/\(name)"), as: UTF8.self)
  }
  return texts
}

private struct Stop: Error {}

@Suite struct WholeFileTests {
  @Test func piecesMakeTheFile() throws {
    let found = try contents { path in
      let file = try WholeFile(path)
      try file.write("one ".utf8)
      try file.write([UInt8]("two ".utf8)[...])
      try file.write(repeatElement(UInt8(ascii: "x"), count: 3))
      try Array("!".utf8).withUnsafeBytes { try file.write($0) }
      try file.commit()
    }
    #expect(found == ["a": "one two xxx!"])
  }

  @Test func targetStaysAsItWasUntilTheCommit() throws {
    let found = try contents { path in
      let file = try WholeFile(path)
      try file.write("new".utf8)
      try file.sync()
      #expect(try readFile(path) == Array("old".utf8))
      #expect(try readFile(file.temporary) == Array("new".utf8))
      try file.commit()
    }
    #expect(found == ["a": "new"])
  }

  @Test func contentOfAForeignWriterTakesThePlace() throws {
    let found = try contents { path in
      let file = try WholeFile(path)
      let writer = try #require(fopen(file.temporary, "w"))
      #expect(fputs("foreign", writer) >= 0 && fclose(writer) == 0)
      try file.commit()
    }
    #expect(found == ["a": "foreign"])
  }

  @Test func fileThatIsGivenUpLeavesNothing() throws {
    let found = try contents { path in
      #expect(throws: Stop.self) {
        let file = try WholeFile(path)
        try file.write("new".utf8)
        throw Stop()
      }
    }
    #expect(found == ["a": "old"])
  }

  @Test func failedWriteLeavesTheOldFile() throws {
    let found = try contents { path in
      try withUnreadableEnd { bytes in
        #expect(throws: Fault(.cannotWrite, "\(path): cannot be written: Bad address")) {
          let file = try WholeFile(path)
          // The first half reaches the file. The second call, for the rest, fails.
          try file.write(bytes)
          try file.commit()
        }
      }
    }
    #expect(found == ["a": "old"])
  }

  @Test func failedRenameLeavesTheOldFile() throws {
    let found = try contents { path in
      #expect(throws: Fault(.cannotWrite, "\(path): cannot be written: No such file or directory")) {
        let file = try WholeFile(path)
        #expect(unlink(file.temporary) == 0)
        try file.commit()
      }
    }
    #expect(found == ["a": "old"])
  }

  @Test func temporaryThatCannotBeCreatedLeavesTheOldFile() throws {
    let found = try contents { path in
      // No file replaces a folder, whether the writer is root or not.
      try makeDirectory(path + ".tmp")
      #expect(throws: Fault(.cannotCreate, "\(path): cannot be created: File exists")) {
        try WholeFile(path)
      }
    }
    #expect(found == ["a": "old"])
  }

  @Test func fileIsNewAndReadableAsTheMaskSays() throws {
    try withFolder { folder in
      try writeAtomically("x", to: folder + "/a")
      #expect(chmod(folder + "/a", 0o600) == 0)
      try writeAtomically("y", to: folder + "/a")
      let mask = umask(0)
      umask(mask)
      var status = stat()
      #expect(stat(folder + "/a", &status) == 0)
      #expect(status.st_mode & 0o777 == 0o666 & ~mask)
    }
  }
}

@Suite struct WholeFolderTests {
  @Test func folderIsThereWithItsFiles() throws {
    try withFolder { folder in
      try WholeFolder.make(folder + "/run//") { inside in
        #expect(inside == folder + "/run.tmp")
        try writeAtomically("x", to: inside + "/a")
      }
      #expect(try names(in: folder) == ["run"])
      #expect(try contents(of: folder + "/run") == ["a": "x"])
    }
  }

  @Test func folderThatIsGivenUpLeavesNothing() throws {
    try withFolder { folder in
      #expect(throws: Stop.self) {
        try WholeFolder.make(folder + "/run") { inside in
          try makeDirectory(inside + "/deep")
          try writeAtomically("x", to: inside + "/deep/a")
          throw Stop()
        }
      }
      let left = try names(in: folder)
      #expect(left.isEmpty)
    }
  }

  @Test func nameThatIsTakenMeanwhileLeavesNoTemporary() throws {
    try withFolder { folder in
      let path = folder + "/run"
      #expect(throws: Fault(.cannotWrite, "\(path): cannot be written: Directory not empty")) {
        try WholeFolder.make(path) { _ in
          try makeDirectory(path)
          try writeAtomically("x", to: path + "/a")
        }
      }
      let left = try names(in: folder)
      #expect(left == ["run"])
    }
  }

  @Test func nameThatIsTakenIsRefused() throws {
    try withFolder { folder in
      let path = folder + "/run"
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "nowhere")
      #expect(throws: Fault(.cannotCreate, "\(path): exists already; expected a new folder")) {
        try WholeFolder.make(path) { _ in }
      }
      #expect(throws: Fault(.cannotCreate, "a\0b: no file name may hold a NUL")) {
        try WholeFolder.make("a\0b") { _ in }
      }
    }
  }

  @Test func leftoverOfAKilledWriterIsReplaced() throws {
    try withFolder { folder in
      try makeDirectory(folder + "/run.tmp/half")
      try WholeFolder.make(folder + "/run") { try writeAtomically("x", to: $0 + "/a") }
      #expect(try contents(of: folder + "/run") == ["a": "x"])
      #expect(try names(in: folder) == ["run"])
    }
  }
}
