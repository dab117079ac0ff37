import Files
import Foundation
import Gemma
import Tensors
import Testing

private func configuration(_ family: String) throws -> ModelConfiguration {
  try ModelConfiguration(contentsOf: "\(fixtures)/\(family)/config.json")
}

/// All tensors of a family's tiny model, read from its file.
private func tensors(_ family: String) throws -> [(name: String, tensor: Tensor)] {
  let weights = try ModelWeights(contentsOf: "\(fixtures)/\(family)", for: configuration(family))
  return try weights.names.map { ($0, try weights.tensor(named: $0)) }
}

/// The tensors with one replaced, added, or removed.
private func changed(
  _ tensors: [(name: String, tensor: Tensor)], _ name: String, to tensor: Tensor?
) -> [(name: String, tensor: Tensor)] {
  tensors.filter { $0.name != name } + (tensor.map { [(name, $0)] } ?? [])
}

/// The fault of opening a gemma2 folder with these tensors, without the file's name.
private func refusal(_ tensors: [(name: String, tensor: Tensor)]) throws -> String? {
  try withTemporaryFolder { folder in
    let path = folder + "/model.safetensors"
    try SafetensorsWriter.write(tensors, to: path)
    do {
      try ModelWeights(contentsOf: folder, for: configuration("gemma2")).checkContents()
      return nil
    } catch let fault as Fault {
      #expect(fault.kind == .badData && fault.message.hasPrefix(path))
      return String(fault.message.dropFirst(path.count))
    }
  }
}

private func sameBytes(_ a: Tensor, _ b: Tensor) -> Bool {
  a.dtype == b.dtype && a.shape == b.shape && memcmp(a.bytes, b.bytes, a.byteCount) == 0
}

@Suite struct ModelWeightsTests {
  @Test(arguments: families) func fixtureHasExactlyTheTensorsOfItsConfiguration(family: String) throws {
    let weights = try ModelWeights(contentsOf: "\(fixtures)/\(family)", for: configuration(family))
    try weights.checkContents()
    #expect(weights.names == WeightNames.all(in: try configuration(family)).map(\.name))
    #expect(Set(weights.names).count == weights.names.count)
    let count = try weights.names.reduce(0) { $0 + (try weights.tensor(named: $1).count) }
    #expect(count == (try configuration(family).parameterCount()))
  }

  @Test func shardsHoldTheSameWeightsAsOneFile() throws {
    let configuration = try configuration("gemma2")
    let single = try ModelWeights(contentsOf: fixtures + "/gemma2", for: configuration)
    let sharded = try ModelWeights(contentsOf: fixtures + "/gemma2/sharded", for: configuration)
    for name in single.names {
      #expect(sameBytes(try single.tensor(named: name), try sharded.tensor(named: name)), "\(name)")
    }
  }

  @Test func missingFolderIsNamed() throws {
    let fault = Fault(
      .missing, "/nowhere: no such folder; expected a model", hint: "scripts/fetch_gemma.sh fetches a model")
    let configuration = try configuration("gemma")
    #expect(throws: fault) { try ModelWeights(contentsOf: "/nowhere", for: configuration) }
  }

  @Test func folderWithoutWeightsIsNamed() throws {
    let configuration = try configuration("gemma")
    try withTemporaryFolder { folder in
      let message = "\(folder): no weights; expected model.safetensors or model.safetensors.index.json"
      #expect(throws: Fault(.missing, message, hint: "scripts/fetch_gemma.sh fetches a model")) {
        try ModelWeights(contentsOf: folder, for: configuration)
      }
      try writeAtomically("", to: folder + "/pytorch_model.bin")
      let hint =
        "pickled weights are not read; load the folder in transformers and write it again with save_pretrained"
      #expect(throws: Fault(.missing, message, hint: hint)) {
        try ModelWeights(contentsOf: folder, for: configuration)
      }
    }
  }

  @Test func missingTensorsAreNamed() throws {
    let all = try tensors("gemma2")
    let less = changed(all, "model.norm.weight", to: nil)
    #expect(try refusal(less) == ": model.norm.weight: missing; config.json demands shape [18]")
    let fewer = changed(changed(less, "model.embed_tokens.weight", to: nil), all[5].name, to: nil)
    #expect(
      try refusal(fewer)
        == ": model.embed_tokens.weight: missing, and 2 more; config.json demands shape [211, 18]")
  }

  @Test func misshapenTensorIsNamed() throws {
    let tensors = changed(try tensors("gemma2"), "model.norm.weight", to: Tensor(zeros: [17], .float32))
    #expect(try refusal(tensors) == ": model.norm.weight: shape [17]; config.json demands [18]")
  }

  @Test func integerTensorIsNamed() throws {
    let tensors = changed(try tensors("gemma2"), "model.norm.weight", to: Tensor(zeros: [18], .int32))
    #expect(try refusal(tensors) == ": model.norm.weight: dtype I32; expected F32 or BF16")
  }

  @Test func unknownTensorsAreNamed() throws {
    let more = changed(try tensors("gemma2"), "model.extra", to: Tensor(zeros: [1], .float32))
    #expect(try refusal(more) == ": model.extra: not a tensor of a gemma2 model")
    let most = changed(more, "model.other", to: Tensor(zeros: [1], .float32))
    #expect(try refusal(most) == ": model.extra: not a tensor of a gemma2 model, and 1 more")
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity]) func nonFiniteWeightIsNamed(value: Float) throws {
    let norm = Tensor(zeros: [18], .float32)
    norm.float32[7] = value
    let message = ": model.norm.weight: element 7 is \(value); expected finite weights"
    #expect(try refusal(changed(tensors("gemma2"), "model.norm.weight", to: norm)) == message)
    let half = Tensor(zeros: [18], .bfloat16)
    half.bfloat16[7] = roundedToBFloat16(value)
    #expect(try refusal(changed(tensors("gemma2"), "model.norm.weight", to: half)) == message)
  }

  @Test func nonFiniteWeightIsFoundAtTheEndOfALargeTensor() throws {
    let table = Tensor(zeros: [211, 18], .float32)
    table.float32[211 * 18 - 1] = .nan
    let name = "model.embed_tokens.weight"
    #expect(
      try refusal(changed(tensors("gemma2"), name, to: table))
        == ": \(name): element 3797 is nan; expected finite weights")
  }

  @Test func outputMapIsAcceptedOnlyWhenEqualToTheEmbedding() throws {
    let all = try tensors("gemma2")
    #expect(try refusal(changed(all, "lm_head.weight", to: all[0].tensor)) == nil)
    let other = all[0].tensor.copied()
    other.float32[3] += 1
    #expect(
      try refusal(changed(all, "lm_head.weight", to: other))
        == ": lm_head.weight: differs from model.embed_tokens.weight; Gemma ties the two")
    #expect(
      try refusal(changed(all, "lm_head.weight", to: Tensor(zeros: [2, 3], .float32)))
        == ": lm_head.weight: shape [2, 3]; config.json demands [211, 18]")
  }
}

/// Faults of the index of shards `a` and `b`, which hold one tensor each.
@Suite struct ShardIndexTests {
  private func refusal(_ index: String) throws -> (message: String, kind: Fault.Kind) {
    try withTemporaryFolder { folder in
      try SafetensorsWriter.write([("a", Tensor([1], [1]))], to: folder + "/a.safetensors")
      try SafetensorsWriter.write([("b", Tensor([1], [1]))], to: folder + "/b.safetensors")
      try writeAtomically(index, to: folder + "/model.safetensors.index.json")
      do {
        _ = try ModelWeights(contentsOf: folder, for: configuration("gemma2"))
        return ("", .failure)
      } catch let fault as Fault {
        return (fault.message.replacingOccurrences(of: folder + "/", with: ""), fault.kind)
      }
    }
  }

  @Test func fileOutsideTheFolderIsRefused() throws {
    for name in [
      "../b.safetensors", "/etc/b.safetensors", "..", ".b.safetensors", "b.bin", "", "b\\u0000.safetensors",
    ] {
      let shown = name.replacingOccurrences(of: "\\u0000", with: "\\u{0}")
      let refusal = try refusal(#"{"weight_map":{"a":"\#(name)"}}"#)
      #expect(refusal.kind == .badData)
      #expect(
        refusal.message == "model.safetensors.index.json: a: got \"\(shown)\"; expected the plain name of a "
          + ".safetensors file in the same folder")
    }
  }

  @Test func indexWithoutAMapIsRefused() throws {
    let expected = "expected an object of tensor and file names"
    for (index, problem) in [
      ("{}", "weight_map: missing; \(expected)"), ("[]", "got []; expected an object"),
      (#"{"weight_map":[]}"#, "weight_map: got []; \(expected)"),
    ] {
      #expect(try refusal(index).message == "model.safetensors.index.json: \(problem)")
    }
  }

  @Test func entryThatIsNoTextIsRefused() throws {
    #expect(
      try refusal(#"{"weight_map":{"a":1}}"#).message
        == "model.safetensors.index.json: a: a number; expected a file name")
  }

  @Test func missingShardIsNamed() throws {
    let refusal = try refusal(#"{"weight_map":{"a":"c.safetensors"}}"#)
    #expect(refusal.kind == .missing && refusal.message == "c.safetensors: no such file")
  }

  @Test func tensorInAnotherShardIsNamed() throws {
    #expect(
      try refusal(#"{"weight_map":{"a":"b.safetensors","b":"b.safetensors"}}"#).message
        == "b.safetensors: a: missing; the index places it here")
    #expect(
      try refusal(#"{"weight_map":{"a":"b.safetensors","b":"a.safetensors"}}"#).message
        == "a.safetensors: a: the index places it in b.safetensors")
  }

  @Test func tensorOutsideTheIndexIsNamed() throws {
    #expect(
      try refusal(#"{"weight_map":{"c":"a.safetensors"}}"#).message
        == "a.safetensors: a: the index does not list it")
  }

  @Test func missingTensorOfTheModelIsLaidToTheIndex() throws {
    #expect(
      try refusal(#"{"weight_map":{"a":"a.safetensors","b":"b.safetensors"}}"#).message
        == "model.safetensors.index.json: model.embed_tokens.weight: missing, and 34 more; "
        + "config.json demands shape [211, 18]")
  }
}

@Suite struct CheckpointFilesTests {
  /// A base folder with a configuration and two files of the tokenizer.
  private func makeBase(_ folder: String) throws -> String {
    let base = folder + "/base"
    try makeDirectory(base)
    try writeAtomically(readFile(fixtures + "/gemma2/config.json"), to: base + "/config.json")
    try writeAtomically([1, 2, 0, 255], to: base + "/tokenizer.model")
    try writeAtomically("{ }", to: base + "/generation_config.json")
    try writeAtomically("other", to: base + "/README.md")
    return base
  }

  @Test func writtenFolderReadsBack() throws {
    try withTemporaryFolder { folder in
      let base = try makeBase(folder)
      let all = try tensors("gemma2")
      try CheckpointFiles.write(all, base: base, to: folder + "/final/", extra: [("note.json", "{}\n")])
      let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/final").sorted()
      #expect(
        names == [
          "config.json", "generation_config.json", "model.safetensors", "note.json", "tokenizer.model",
        ])
      for name in ["config.json", "generation_config.json", "tokenizer.model"] {
        #expect(try readFile("\(folder)/final/\(name)") == readFile("\(base)/\(name)"), "\(name)")
      }
      #expect(try readFile(folder + "/final/note.json") == Array("{}\n".utf8))
      let read = try ModelWeights(contentsOf: folder + "/final", for: configuration("gemma2"))
      for (name, tensor) in all { #expect(sameBytes(try read.tensor(named: name), tensor), "\(name)") }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["base", "final"])
    }
  }

  @Test func shardsAreCutBetweenTensors() throws {
    try withTemporaryFolder { folder in
      let base = try makeBase(folder)
      let all = try tensors("gemma2")
      // The embedding alone has 15,192 bytes, which is more than a shard may have.
      try CheckpointFiles.write(all, base: base, to: folder + "/final", shardLimit: 15_000)
      let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/final")
      let shards = names.filter { $0.hasSuffix(".safetensors") }.sorted()
      #expect(shards.first == "model-00001-of-0000\(shards.count).safetensors" && shards.count == 7)
      #expect(
        try SafetensorsFile(path: "\(folder)/final/\(shards[0])").names == ["model.embed_tokens.weight"])
      let index = try JSONValue(
        parsing: readFile(folder + "/final/model.safetensors.index.json"), file: "index")
      #expect(index.objectValue?["metadata"]?.objectValue?["total_size"]?.intValue == 88_488)
      let read = try ModelWeights(contentsOf: folder + "/final", for: configuration("gemma2"))
      for (name, tensor) in all { #expect(sameBytes(try read.tensor(named: name), tensor), "\(name)") }
    }
  }

  @Test(arguments: ["config.json", "config_v4.json"]) func onlyTheDTypeOfTheConfigurationChanges(name: String)
    throws
  {
    try withTemporaryFolder { folder in
      let base = try makeBase(folder)
      try writeAtomically(readFile("\(fixtures)/gemma2/\(name)"), to: base + "/config.json")
      let all = try tensors("gemma2").map {
        (name: $0.name, tensor: Tensor(zeros: $0.tensor.shape, .bfloat16))
      }
      try CheckpointFiles.write(all, base: base, to: folder + "/final")
      let before = try JSONValue(parsing: readFile(base + "/config.json"), file: "before").objectValue
      var after = try JSONValue(parsing: readFile(folder + "/final/config.json"), file: "after").objectValue
      let key = name == "config.json" ? "dtype" : "torch_dtype"
      #expect(after?[key] == .string("bfloat16"))
      after?[key] = .string("float32")
      #expect(before == after && before != nil)
    }
  }

  @Test func folderThatExistsIsNotReplaced() throws {
    try withTemporaryFolder { folder in
      let base = try makeBase(folder)
      #expect(throws: Fault(.cannotCreate, "\(base): exists already; expected a new folder")) {
        try CheckpointFiles.write([], base: base, to: base)
      }
    }
  }

  @Test func failureLeavesNoFolder() throws {
    try withTemporaryFolder { folder in
      #expect(throws: Fault(.missing, "/nowhere/config.json: no such file")) {
        try CheckpointFiles.write([], base: "/nowhere", to: folder + "/final")
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(names.isEmpty)
    }
  }

  @Test func folderLeftByAKilledWriterIsReplaced() throws {
    try withTemporaryFolder { folder in
      let base = try makeBase(folder)
      try makeDirectory(folder + "/final.tmp")
      try writeAtomically("half", to: folder + "/final.tmp/half.bin")
      try CheckpointFiles.write(tensors("gemma2"), base: base, to: folder + "/final")
      #expect(!FileManager.default.fileExists(atPath: folder + "/final/half.bin"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["base", "final"])
    }
  }
}
