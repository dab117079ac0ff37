import Files
import Tensors
import Testing
import FineTuning

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
    let integers = ["steps", "base_parameters", "trainable_parameters"]
    var object = JSONObject()
    for (name, value) in try wanted(facts.json.objectValue).members where name != key { object[name] = value }
    try withConfigurationFolder([RunFacts.fileName: JSONValue.object(object).text()]) { folder in
      let file = "\(folder)/\(RunFacts.fileName)"
      #expect(
        faultMessages { _ = try RunFacts(contentsOf: folder) }
          == ["\(file): \(key): missing; expected \(integers.contains(key) ? "a whole number" : "text")"])
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

  /// The place that facts with this `device` give; nil leaves the key out.
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
      try place(.string("tpu")).messages == [#"gemmatune.json: device: got "tpu"; expected cpu or cuda"#])
  }
}
