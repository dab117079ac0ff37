import Files
import Foundation
import Gemma
import Tensors
import Testing

private func configuration() throws -> ModelConfiguration {
  try ModelConfiguration(contentsOf: fixtures + "/gemma2/config.json")
}

private func fixture() throws -> AdapterWeights {
  try AdapterWeights(contentsOf: fixtures + "/gemma2/lora", for: configuration())
}

/// The message of reading a gemma2 adapter with these settings and tensors; nil when it is accepted.
private func refusal(
  _ settings: String? = nil, tensors: [(name: String, tensor: Tensor)]? = nil
) throws -> String? {
  try withTemporaryFolder { folder in
    try fixture().writeContents(into: folder, baseModel: "base")
    if let settings { try writeAtomically(settings, to: folder + "/adapter_config.json") }
    if let tensors { try SafetensorsWriter.write(tensors, to: folder + "/adapter_model.safetensors") }
    do {
      _ = try AdapterWeights(contentsOf: folder, for: configuration())
      return nil
    } catch let fault as Fault {
      #expect(fault.kind == .badData)
      return fault.message.replacingOccurrences(of: folder + "/", with: "")
    }
  }
}

/// The message of reading an adapter whose settings have `key` set to `value`, or not at all for nil.
private func refusal(_ key: String, _ value: JSONValue?) throws -> String? {
  let settings = try withTemporaryFolder { folder in
    try fixture().writeContents(into: folder, baseModel: "base")
    let path = folder + "/adapter_config.json"
    var object = try JSONValue(parsing: readFile(path), file: path).objectValue ?? JSONObject()
    object[key] = value
    return JSONValue.object(object).text()
  }
  return try refusal(settings)
}

private let modules = "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"

@Suite struct AdapterFilesTests {
  @Test(arguments: families) func adapterOfPEFTIsRead(family: String) throws {
    let configuration = try ModelConfiguration(contentsOf: "\(fixtures)/\(family)/config.json")
    let adapter = try AdapterWeights(contentsOf: "\(fixtures)/\(family)/lora", for: configuration)
    #expect(adapter.rank == 3 && adapter.alpha == 7 && adapter.dropout == 0)
    #expect(adapter.targets == LinearModule.allCases)
    #expect(adapter.pairs.count == configuration.numHiddenLayers * 7)
    let file = try SafetensorsFile(path: "\(fixtures)/\(family)/lora/adapter_model.safetensors")
    #expect(Set(file.names) == Set(adapter.tensors.map(\.name)))
    for (name, tensor) in adapter.tensors {
      #expect(try file.tensor(named: name).floats == tensor.floats, "\(name)")
      #expect(!tensor.storage.isReadOnly)
    }
  }

  @Test func writtenAdapterReadsBack() throws {
    try withTemporaryFolder { folder in
      var adapter = try fixture()
      adapter.alpha = 2.5
      adapter.dropout = 0.125
      try adapter.write(to: folder + "/final", baseModel: "models/base", extra: [("note.json", "{}")])
      let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/final").sorted()
      #expect(names == ["adapter_config.json", "adapter_model.safetensors", "note.json"])
      let read = try AdapterWeights(contentsOf: folder + "/final", for: configuration())
      #expect(read.rank == 3 && read.alpha == 2.5 && read.dropout == 0.125 && read.targets == adapter.targets)
      for (one, other) in zip(read.tensors, adapter.tensors) {
        #expect(one.name == other.name && one.tensor.floats == other.tensor.floats)
      }
    }
  }

  @Test func settingsHoldThirteenKeys() throws {
    try withTemporaryFolder { folder in
      var adapter = try fixture()
      adapter.alpha = 32
      try adapter.writeContents(into: folder, baseModel: "models/base")
      let text = try String(validating: readFile(folder + "/adapter_config.json"), as: UTF8.self)
      #expect(
        text == """
          {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": "models/base",
            "inference_mode": true,
            "r": 3,
            "lora_alpha": 32,
            "lora_dropout": 0.0,
            "bias": "none",
            "fan_in_fan_out": false,
            "modules_to_save": null,
            "use_rslora": false,
            "use_dora": false,
            "target_modules": [
              "q_proj",
              "k_proj",
              "v_proj",
              "o_proj",
              "gate_proj",
              "up_proj",
              "down_proj"
            ]
          }

          """)
    }
  }

  @Test func bfloat16MatricesAreWidened() throws {
    let tensors = try fixture().tensors.map { name, tensor in
      let half = Tensor(uninitialized: tensor.shape, .bfloat16)
      for (index, value) in tensor.floats.enumerated() { half.bfloat16[index] = roundedToBFloat16(value) }
      return (name: name, tensor: half)
    }
    try withTemporaryFolder { folder in
      try fixture().writeContents(into: folder, baseModel: "base")
      try SafetensorsWriter.write(tensors, to: folder + "/adapter_model.safetensors")
      let read = try AdapterWeights(contentsOf: folder, for: configuration())
      for (one, other) in zip(read.tensors, tensors) {
        #expect(one.tensor.dtype == .float32 && one.tensor.floats == other.tensor.floats)
      }
    }
  }

  @Test func newAdapterIsDrawnAsPEFTDrawsIt() throws {
    let key = RandomKey(seed: 3, stream: 4)
    let adapter = AdapterWeights(
      random: try configuration(), rank: 16, alpha: 32, dropout: 0.1, targets: [.down, .query], key: key)
    #expect(adapter.targets == [.query, .down] && adapter.pairs.count == 6)
    #expect(adapter.pairs[0].a.shape == [16, 18] && adapter.pairs[0].b.shape == [84, 16])
    #expect(adapter.pairs[1].a.shape == [16, 37] && adapter.pairs[1].b.shape == [18, 16])
    for pair in adapter.pairs {
      let bound = 1 / Float(pair.a.shape[1]).squareRoot()
      #expect(pair.b.floats.allSatisfy { $0 == 0 } && pair.a.floats.allSatisfy { abs($0) <= bound })
      // The mean square of uniform values is a third of the bound's square, within 20 % from 288 values on.
      let square = pair.a.floats.reduce(0) { $0 + $1 * $1 } / Float(pair.a.count)
      #expect(abs(square / (bound * bound / 3) - 1) < 0.2)
    }
    #expect(adapter.pairs[0].a.floats != adapter.pairs[2].a.floats)
  }

  @Test func missingFolderAndFilesAreNamed() throws {
    let configuration = try configuration()
    #expect(throws: Fault(.missing, "/nowhere: no such folder; expected an adapter")) {
      try AdapterWeights(contentsOf: "/nowhere", for: configuration)
    }
    try withTemporaryFolder { folder in
      #expect(throws: Fault(.missing, folder + "/adapter_config.json: no such file")) {
        try AdapterWeights(contentsOf: folder, for: configuration)
      }
      try fixture().writeContents(into: folder, baseModel: "base")
      try FileManager.default.removeItem(atPath: folder + "/adapter_model.safetensors")
      #expect(throws: Fault(.missing, folder + "/adapter_model.safetensors: no such file")) {
        try AdapterWeights(contentsOf: folder, for: configuration)
      }
    }
  }
}

@Suite struct AdapterSettingsTests {
  @Test func keysWithoutDefaultAreDemanded() throws {
    let file = "adapter_config.json: "
    #expect(try refusal("peft_type", nil) == file + #"peft_type: missing; expected "LORA""#)
    #expect(try refusal("r", nil) == file + "r: missing; expected a whole number from 1 to 65536")
    #expect(
      try refusal("target_modules", .null)
        == file + "target_modules: missing; expected a list of some of \(modules)")
  }

  @Test(
    arguments: [
      ("peft_type", .string("IA3"), #"got "IA3"; expected "LORA""#),
      ("task_type", .string("SEQ_CLS"), #"got "SEQ_CLS"; expected "CAUSAL_LM""#),
      ("bias", .string("all"), #"got "all"; expected "none""#),
      ("r", .int(0), "got 0; expected a whole number from 1 to 65536"),
      ("r", .int(65537), "got 65537; expected a whole number from 1 to 65536"),
      ("r", .double(1.5), "got 1.5; expected a whole number from 1 to 65536"),
      ("lora_alpha", .int(0), "got 0; expected a number above 0"),
      ("lora_alpha", .string("32"), #"got "32"; expected a number above 0"#),
      ("lora_dropout", .int(1), "got 1; expected a number from 0 to below 1"),
      ("lora_dropout", .double(-0.5), "got -0.5; expected a number from 0 to below 1"),
      ("target_modules", .string("all-linear"), "got \"all-linear\"; expected a list of some of \(modules)"),
      ("target_modules", .array([]), "got []; expected a list of some of \(modules)"),
      ("target_modules", .array([.string("lm_head")]), "got \"lm_head\"; expected only some of \(modules)"),
      ("use_dora", .bool(true), "not supported, got true; expected false, null or empty"),
      ("use_rslora", .bool(true), "not supported, got true; expected false, null or empty"),
      ("fan_in_fan_out", .bool(true), "not supported, got true; expected false, null or empty"),
      (
        "modules_to_save", .array([.string("lm_head")]),
        "not supported, got [\"lm_head\"]; expected false, null or empty"
      ),
      (
        "rank_pattern", .object(JSONObject(["q_proj": .int(2)])),
        "not supported, got {\"q_proj\":2}; expected false, null or empty"
      ),
      ("layers_to_transform", .array([.int(0)]), "not supported, got [0]; expected false, null or empty"),
      ("key_of_a_later_version", .int(1), "not supported, got 1; expected false, null or empty"),
      (
        "init_lora_weights", .string("pissa"),
        #"not supported, got "pissa"; expected true, false or "gaussian""#
      ),
    ] as [(String, JSONValue, String)])
  func valueThatIsNotImplementedIsRefused(key: String, value: JSONValue, message: String) throws {
    #expect(try refusal(key, value) == "adapter_config.json: \(key): \(message)")
  }

  @Test func alphaDefaultsTo8AsInPEFT() throws {
    try withTemporaryFolder { folder in
      try fixture().writeContents(into: folder, baseModel: "base")
      let settings = #"{"peft_type":"LORA","r":3,"target_modules":["\#(modules)"]}"#
      try writeAtomically(
        settings.replacingOccurrences(of: ", ", with: #"",""#), to: folder + "/adapter_config.json")
      #expect(try AdapterWeights(contentsOf: folder, for: configuration()).alpha == 8)
    }
  }

  @Test func settingsThatAreNoObjectAreRefused() throws {
    #expect(
      try refusal("[]") == "adapter_config.json: got []; expected an object with the keys of a PEFT adapter"
    )
  }
}

@Suite struct AdapterTensorTests {
  private let prefix = "base_model.model.model.layers.1.self_attn.k_proj"
  private let file = "adapter_model.safetensors: "

  /// The fixture's tensors with one replaced, added, or removed.
  private func changed(_ name: String, _ tensor: Tensor?) throws -> [(name: String, tensor: Tensor)] {
    try fixture().tensors.filter { $0.name != name } + (tensor.map { [(name, $0)] } ?? [])
  }

  @Test func ranksThatDifferAreNamedWithBothShapes() throws {
    let tensors = try changed(prefix + ".lora_B.weight", Tensor(zeros: [28, 4], .float32))
    #expect(
      try refusal(tensors: tensors)
        == file + prefix + ".lora_B.weight: rank 4 of shape [28, 4], but \(prefix).lora_A.weight has rank 3 "
        + "of shape [3, 18]")
  }

  @Test func misshapenMatrixIsNamed() throws {
    let demand = "the model and rank 3 of adapter_config.json demand"
    let a = try changed(prefix + ".lora_A.weight", Tensor(zeros: [3, 17], .float32))
    #expect(try refusal(tensors: a) == file + prefix + ".lora_A.weight: shape [3, 17]; \(demand) [3, 18]")
    let b = try changed(prefix + ".lora_B.weight", Tensor(zeros: [84], .float32))
    #expect(try refusal(tensors: b) == file + prefix + ".lora_B.weight: shape [84]; \(demand) [28, 3]")
  }

  @Test func rankOfTheSettingsIsDemanded() throws {
    #expect(
      try refusal("r", .int(4))
        == file
        + "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: shape [3, 18]; the model and "
        + "rank 4 of adapter_config.json demand [4, 18]")
  }

  @Test func missingLayerIsNamed() throws {
    let tensors = try fixture().tensors.filter { !$0.name.contains(".layers.2.") }
    #expect(
      try refusal(tensors: tensors)
        == file
        + "base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight: missing; expected shape [3, 18]")
  }

  @Test func extraTensorsAreNamed() throws {
    let problem = "no tensor of an adapter of this model with the targets of adapter_config.json"
    let name = "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight"
    let tensors = try changed(name, Tensor(zeros: [3, 18], .float32))
    #expect(try refusal(tensors: tensors) == file + "\(name): \(problem)")
    #expect(
      try refusal("target_modules", .array(LinearModule.allCases.dropFirst().map { .string($0.rawValue) }))
        == file + "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: \(problem), and 5 more")
  }

  @Test func nonFiniteElementIsNamed() throws {
    let matrix = Tensor(zeros: [28, 3], .float32)
    matrix.float32[5] = .nan
    #expect(
      try refusal(tensors: changed(prefix + ".lora_B.weight", matrix))
        == file + prefix + ".lora_B.weight: element 5 is nan; expected finite weights")
  }

  @Test func integerMatrixIsNamed() throws {
    #expect(
      try refusal(tensors: changed(prefix + ".lora_A.weight", Tensor(zeros: [3, 18], .int32)))
        == file + prefix + ".lora_A.weight: dtype I32; expected F32 or BF16")
  }
}
