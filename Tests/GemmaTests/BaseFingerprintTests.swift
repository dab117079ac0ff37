import Files
import Foundation
import Gemma
import Tensors
import Testing

/// The fingerprint of a fixture's model after `change` of its tensors.
private func fingerprint(
  _ folder: String, config: String = "config.json", _ change: (String, Tensor) -> Tensor = { $1 }
) throws -> String {
  let configuration = try ModelConfiguration(contentsOf: "\(fixtures)/\(folder)/\(config)")
  let weights = try ModelWeights(contentsOf: "\(fixtures)/\(folder)", for: configuration)
  return try BaseFingerprint(of: configuration) { change($0, try weights.tensor(named: $0)) }.text
}

/// A model of 4.2 million parameters, of which only samples are read.
private struct LargeModel {
  let configuration: ModelConfiguration
  private let tensors: [String: Tensor]

  init() throws {
    let keys =
      #"{"model_type": "gemma", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 1, "#
      + #""num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 3000}"#
    configuration = try ModelConfiguration(
      json: JSONValue(parsing: Array(keys.utf8), file: "keys"), file: "keys")
    let model = GemmaModel(
      random: configuration, precision: .bfloat16, key: RandomKey(seed: 1, stream: 1))
    tensors = Dictionary(uniqueKeysWithValues: model.parameters(.all).map { ($0.name, $0.tensor) })
  }

  /// The fingerprint with the rows of one matrix in another order.
  func fingerprint(_ name: String, rows: (Int) -> Int) throws -> String {
    try BaseFingerprint(of: configuration) { tensor in
      let matrix = try #require(tensors[tensor])
      guard tensor == name else { return matrix }
      let changed = Tensor(uninitialized: matrix.shape, matrix.dtype)
      let width = matrix.byteCount / matrix.shape[0]
      for row in 0..<matrix.shape[0] {
        (changed.bytes + row * width).copyMemory(from: matrix.bytes + rows(row) * width, byteCount: width)
      }
      return changed
    }.text
  }
}

@Suite struct BaseFingerprintTests {
  @Test func fingerprintIs64HexadecimalDigits() throws {
    let text = try fingerprint("gemma3")
    #expect(text.count == 64 && BaseFingerprint(text)?.text == text)
    #expect(BaseFingerprint(String(text.dropLast())) == nil && BaseFingerprint(text.uppercased()) == nil)
  }

  @Test func spellingOfTheConfigurationMakesNoDifference() throws {
    for family in families {
      #expect(try fingerprint(family) == fingerprint(family, config: "config_v4.json"), "\(family)")
    }
  }

  @Test func shardsMakeNoDifference() throws {
    #expect(try fingerprint("gemma2") == fingerprint("gemma2/sharded"))
  }

  @Test func familiesDiffer() throws {
    #expect(try Set(families.map { try fingerprint($0) }).count == 3)
  }

  @Test func everyElementOfASmallModelCounts() throws {
    let configuration = try ModelConfiguration(contentsOf: "\(fixtures)/gemma3/config.json")
    let unchanged = try fingerprint("gemma3")
    var seen = 0
    for parameter in WeightNames.all(in: configuration) {
      let (name, shape) = (parameter.name, parameter.shape)
      let place = shape.reduce(1, *) * 3 / 7
      let changed = try fingerprint("gemma3") {
        guard $0 == name else { return $1 }
        let copy = $1.copied()
        copy.float32[place] += 1
        return copy
      }
      #expect(changed != unchanged, "\(name)")
      seen += 1
    }
    #expect(seen == 54)
  }

  @Test func dtypeCounts() throws {
    let kernels = CPUKernels(threads: 1)
    #expect(
      try fingerprint("gemma3") { kernels.converted($1, to: .bfloat16, scale: 1) } != fingerprint("gemma3"))
  }

  @Test func modelInMemoryHasTheFingerprintOfItsFile() throws {
    let model = try GemmaModel(contentsOf: "\(fixtures)/gemma2", precision: .float32)
    #expect(try model.baseFingerprint(CPUKernels(threads: 1)).text == fingerprint("gemma2"))
  }

  @Test func adapterDoesNotCount() throws {
    var model = try GemmaModel(contentsOf: "\(fixtures)/gemma2", precision: .float32)
    try model.attach(AdapterWeights(contentsOf: "\(fixtures)/gemma2/lora", for: model.configuration))
    #expect(try model.baseFingerprint(CPUKernels(threads: 1)).text == fingerprint("gemma2"))
  }

  @Test func shuffledMatrixOfALargeModelCounts() throws {
    let model = try LargeModel()
    let unchanged = try model.fingerprint("", rows: { $0 })
    for (name, rows) in [
      (WeightNames.embedding, 3000), (WeightNames.linear(.query, layer: 0), 512),
      (WeightNames.linear(.down, layer: 0), 512),
    ] {
      // 7 has no factor in common with any number of rows.
      #expect(try model.fingerprint(name, rows: { $0 * 7 % rows }) != unchanged, "\(name)")
    }
  }

  @Test func elementBetweenTheWindowsOfALargeModelDoesNotCount() throws {
    let model = try LargeModel()
    let (third, last) = (1000, 1001)
    // The limit that the type's comment states: these rows of the embedding lie between two windows.
    let exchanged = try model.fingerprint(WeightNames.embedding) {
      $0 == third ? last : $0 == last ? third : $0
    }
    #expect(try exchanged == model.fingerprint("", rows: { $0 }))
  }
}
