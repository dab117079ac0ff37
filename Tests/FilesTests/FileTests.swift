import Files
import Foundation
import Testing

@Suite struct FileTests {
  @Test func writtenBytesReadBack() throws {
    try withFolder { folder in
      let bytes = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      try writeAtomically(bytes, to: folder + "/a.bin")
      #expect(try readFile(folder + "/a.bin") == bytes)
      try writeAtomically(bytes.prefix(3), to: folder + "/a.bin")
      #expect(try readFile(folder + "/a.bin") == Array(bytes.prefix(3)))
      try writeAtomically(repeatElement(UInt8(7), count: 5), to: folder + "/a.bin")
      #expect(try readFile(folder + "/a.bin") == [7, 7, 7, 7, 7])
      try writeAtomically([UInt8](), to: folder + "/a.bin")
      #expect(try readFile(folder + "/a.bin") == [])
      #expect(try names(in: folder) == ["a.bin"])
    }
  }

  @Test func filesWrittenTogetherAreAllThere() throws {
    try withFolder { folder in
      try writeAtomically("old", to: folder + "/b")
      try writeAtomically("gone", to: folder + "/c")
      try writeTogether([(folder + "/a", "1"), (folder + "/b", "2")], removed: [folder + "/c"])
      #expect(try readFile(folder + "/a") == Array("1".utf8) && readFile(folder + "/b") == Array("2".utf8))
      #expect(try names(in: folder) == ["a", "b"])
    }
  }

  @Test func filesWrittenTogetherStayAsTheyWereWhereOneCannotBeWritten() throws {
    try withFolder { folder in
      try writeAtomically("old", to: folder + "/a")
      try writeAtomically("gone", to: folder + "/c")
      let last = folder + "/none/b"
      #expect(throws: Fault(.cannotCreate, "\(last): cannot be created: No such file or directory")) {
        try writeTogether([(folder + "/a", "1"), (last, "2")], removed: [folder + "/c"])
      }
      #expect(try readFile(folder + "/a") == Array("old".utf8))
      #expect(try names(in: folder) == ["a", "c"])
    }
  }

  @Test func theLastOfTheFilesIsPutBackWhereTheFirstCannotTakeItsName() throws {
    try withFolder { folder in
      // No file may take the name of a folder.
      try makeDirectory(folder + "/a")
      try writeAtomically("old", to: folder + "/b")
      #expect(throws: Fault(.cannotWrite, "\(folder)/a: cannot be written: Is a directory")) {
        try writeTogether([(folder + "/a", "1"), (folder + "/b", "2")])
      }
      #expect(try readFile(folder + "/b") == Array("old".utf8))
      #expect(try names(in: folder) == ["a", "b"])
    }
  }

  @Test func missingFileIsNamed() {
    #expect(throws: Fault(.missing, "/nowhere/a.json: no such file")) { try readFile("/nowhere/a.json") }
  }

  @Test func folderIsNotReadAsAFile() throws {
    try withFolder { folder in
      #expect(throws: Fault(.missing, "\(folder): is a folder; expected a file")) { try readFile(folder) }
    }
  }

  @Test func pipeIsRefusedWithoutWaiting() throws {
    try withFolder { folder in
      #expect(mkfifo(folder + "/pipe", 0o600) == 0)
      #expect(throws: Fault(.missing, "\(folder)/pipe: is not a regular file; expected a file")) {
        try readFile(folder + "/pipe")
      }
    }
  }

  @Test func fileOverTheLimitIsRefused() throws {
    try withFolder { folder in
      try writeAtomically("12345", to: folder + "/a")
      #expect(try readFile(folder + "/a", limit: 5).count == 5)
      #expect(throws: Fault(.badData, "\(folder)/a: is too large; expected at most 4 bytes")) {
        try readFile(folder + "/a", limit: 4)
      }
    }
  }

  @Test func pathWithNULIsRefused() {
    #expect(throws: Fault(.missing, "a\0b: no file name may hold a NUL")) { try readFile("a\0b") }
    #expect(throws: Fault(.cannotCreate, "a\0b: no file name may hold a NUL")) {
      try writeAtomically("x", to: "a\0b")
    }
  }

  @Test func writingIntoAMissingFolderNamesTheFile() {
    #expect(throws: Fault(.cannotCreate, "/nowhere/a: cannot be created: No such file or directory")) {
      try writeAtomically("x", to: "/nowhere/a")
    }
  }

  @Test func failedRenameLeavesNoTemporaryFile() throws {
    try withFolder { folder in
      try makeDirectory(folder + "/a")
      #expect(throws: Fault(.cannotWrite, "\(folder)/a: cannot be written: Is a directory")) {
        try writeAtomically("x", to: folder + "/a")
      }
      #expect(try names(in: folder) == ["a"])
    }
  }

  @Test func leftoverTemporaryFileIsReplaced() throws {
    try withFolder { folder in
      try writeAtomically("victim", to: folder + "/victim")
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/a.tmp", withDestinationPath: folder + "/victim")
      try writeAtomically("x", to: folder + "/a")
      #expect(try readFile(folder + "/victim") == Array("victim".utf8))
      #expect(try names(in: folder) == ["a", "victim"])
    }
  }

  @Test func foldersAreMadeAllTheWayAndTwice() throws {
    try withFolder { folder in
      try makeDirectory(folder + "/a/b//c/")
      try makeDirectory(folder + "/a/b/c")
      #expect(isDirectory(folder + "/a/b/c"))
    }
  }

  @Test func folderWhereAFileStandsIsRefused() throws {
    try withFolder { folder in
      try writeAtomically("x", to: folder + "/a")
      #expect(throws: Fault(.cannotCreate, "\(folder)/a: cannot be created: File exists")) {
        try makeDirectory(folder + "/a")
      }
      #expect(throws: Fault(.cannotCreate, "\(folder)/a/b: cannot be created: Not a directory")) {
        try makeDirectory(folder + "/a/b")
      }
    }
  }

  @Test func emptyFolderNameIsRefused() {
    #expect(throws: Fault(.cannotCreate, ": cannot be created: No such file or directory")) {
      try makeDirectory("")
    }
  }
}

@Suite struct TextTests {
  /// Number and text of each line.
  private func split(_ text: String) -> [String] {
    lines(of: Array(text.utf8)).map { "\($0.number):\(String(decoding: $0.bytes, as: UTF8.self))" }
  }

  @Test func linesEndAtLineFeedsOnly() {
    #expect(split("a\nb\u{2028}c\u{85}d\re\n\nf") == ["1:a", "2:b\u{2028}c\u{85}d\re", "3:", "4:f"])
    #expect(split("a\n") == ["1:a"])
    #expect(split("") == [])
    #expect(split("\n") == ["1:"])
  }

  @Test func carriageReturnsAndByteOrderMarkAreDropped() {
    #expect(split("\u{FEFF}a\r\nb\r\r\nc\r") == ["1:a", "2:b\r", "3:c"])
    #expect(split("\u{FEFF}") == [])
    #expect(split("a\n\u{FEFF}b") == ["1:a", "2:\u{FEFF}b"])
  }

  @Test func quotedTextIsCutAndCannotMoveTheCursor() {
    #expect(quoted("a\u{1B}[2J\n\u{202E}é") == "\"a\\u{1B}[2J\\n\\u{202E}é\"")
    #expect(quoted("abcdef", limit: 3) == "\"abc…\"")
    #expect(quoted("abc", limit: 3) == "\"abc\"")
  }

  @Test func eitherEndOfATextCanStay() {
    #expect(excerpt("abcdef", limit: 3) == "abc…" && excerpt("abcdef", limit: 3, of: .end) == "…def")
    #expect(excerpt("abc", limit: 3, of: .end) == "abc")
    #expect(quoted("a'\n", mark: "'") == "'a'\\n'")
    #expect(excerpt(.array([.int(1), .string("a")])) == #"[1,"a"]"#)
  }

  @Test func listsReadAsASentence() {
    #expect(listText(["a", "b", "c"], "or") == "a, b or c" && listText(["a", "b"], "and") == "a and b")
    #expect(listText(["a"], "or") == "a" && listText([], "or") == "")
  }

  @Test func bytesAreShownInUnitsOfAThousand() {
    #expect(byteText(1_500_000_000) == "1.50 GB" && byteText(536_200_000) == "536.2 MB")
    #expect(byteText(26_000) == "26.0 kB" && byteText(0) == "0.0 kB")
  }

  @Test func faultIsOneLine() {
    #expect(Fault(.badData, file: "a\nb", line: 3, "got \u{1B}").message == "a\\nb:3: got \\u{1B}")
  }
}
