import Files
import Foundation
import Tensors
import Testing
import gemmatune

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

@Suite struct RunFactsTests {
  private let facts = RunFacts(
    promptHash: "0123456789abcdef", baseModel: "models/a", method: "lora", kernels: "OpenBLAS",
    place: .device, steps: 7, baseParameters: 100, trainableParameters: 3, vocabularySize: 512)

  @Test func factsReadBack() throws {
    let read = try withConfigurationFolder([RunFacts.fileName: facts.json.text()]) {
      try RunFacts(contentsOf: $0)
    }
    #expect(read == facts)
  }

  @Test(arguments: [
    "prompt_hash", "base_model", "method", "kernels", "steps", "base_parameters", "trainable_parameters",
  ])
  func missingFactIsNamed(_ key: String) throws {
    var object = JSONObject()
    for (name, value) in try wanted(facts.json.objectValue).members where name != key { object[name] = value }
    try withConfigurationFolder([RunFacts.fileName: JSONValue.object(object).text()]) { folder in
      let file = "\(folder)/\(RunFacts.fileName)"
      #expect(
        faultMessages { _ = try RunFacts(contentsOf: folder) }
          == ["\(file): key '\(key)' is missing or of another type"])
    }
  }

  @Test func olderFactsDoNotSayTheVocabulary() throws {
    var object = try wanted(facts.json.objectValue)
    object["vocabulary_size"] = nil
    var older = facts
    older.vocabularySize = nil
    #expect(older.json == .object(object))
    let read = try withConfigurationFolder([RunFacts.fileName: older.json.text()]) {
      try RunFacts(contentsOf: $0)
    }
    #expect(read == older)
  }

  /// The facts with another `device`; nil for none.
  private func place(_ device: JSONValue?) throws -> (place: Place?, messages: [String]) {
    var object = try wanted(facts.json.objectValue)
    object["device"] = device
    return try withConfigurationFolder([RunFacts.fileName: JSONValue.object(object).text()]) { folder in
      var place: Place?
      let messages = faultMessages { place = try RunFacts(contentsOf: folder).place }
      return (place, messages.map { $0.replacing("\(folder)/", with: "") })
    }
  }

  @Test func factsWithoutADeviceAreOfTheCPU() throws {
    #expect(try place(nil).place == .host)
    #expect(try place(.string("cpu")).place == .host && place(.string("cuda")).place == .device)
  }

  @Test func unknownDeviceIsRefused() throws {
    #expect(
      try place(.string("tpu")).messages == ["gemmatune.json: key 'device' is missing or of another type"])
  }
}
