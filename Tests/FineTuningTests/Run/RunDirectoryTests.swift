import Files
import Foundation
import Testing
import FineTuning

@Suite struct RunDirectoryTests {
  @Test func secondLockIsRefused() throws {
    try withConfigurationFolder([:]) { folder in
      let path = "\(folder)/runs/a"
      let first = try RunDirectory(locking: path)
      #expect(
        throws: Fault(
          .inUse, "\(path): the run directory is in use by another process",
          hint: "wait for it to end, or set run.directory to another folder")
      ) { try RunDirectory(locking: path) }
      #expect(throws: Fault.self) { try RunDirectory.requireUnused(path) }
      withExtendedLifetime(first) {}
    }
  }

  @Test func lockEndsWithItsOwner() throws {
    try withConfigurationFolder([:]) { folder in
      for _ in 0..<2 { _ = try RunDirectory(locking: "\(folder)/a") }
      try RunDirectory.requireUnused("\(folder)/a")
    }
  }

  @Test(arguments: ["metrics.jsonl", "train.log", "final"])
  func runThatIsThereIsRefused(_ name: String) throws {
    try withConfigurationFolder(["a/\(name)": ""]) { folder in
      let path = "\(folder)/a"
      let fault = Fault(
        .cannotCreate, "\(path): a run is there already (it has \(name))",
        hint: "set run.name or run.directory to another, or remove the folder")
      #expect(throws: fault) { try RunDirectory.requireUnused(path) }
    }
  }

  @Test func askingMakesNoFolder() throws {
    try withConfigurationFolder([:]) { folder in
      try RunDirectory.requireUnused("\(folder)/a")
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/a"))
    }
  }
}
