import Files
import Foundation
import Gemma
import Testing

/// A change to a config.json, and what transformers makes of it; scripts/reference/configuration.py made it.
private struct Change {
  /// The keys that are changed or removed.
  let keys: [String]
  /// The new value, where one key is changed.
  let value: JSONValue?
  /// The changed file.
  let file: JSONObject
  /// What transformers' model computes with; nil where transformers refuses the file.
  let facts: JSONObject?

  init(_ row: JSONObject, keys: JSONObject, facts: JSONObject) throws {
    let change = try #require(row["change"]?.objectValue)
    let absent = row["absent"]?.arrayValue?.compactMap(\.stringValue) ?? []
    self.keys = change.keys + absent
    value = absent.isEmpty && change.members.count == 1 ? change.members[0].value : nil
    var file = keys
    for (key, value) in change.members { file[key] = value }
    for key in absent { file[key] = nil }
    self.file = file
    guard let changed = row["facts"]?.objectValue else {
      self.facts = nil
      return
    }
    var all = facts
    for (key, value) in changed.members { all[key] = value }
    self.facts = all
  }
}

/// All changes to one family's file.
private struct Walk {
  let name: String
  let unchanged: ModelConfiguration
  let facts: JSONObject
  let changes: [Change]

  init(_ name: String) throws {
    let file = "\(fixtures)/configuration/\(name).json"
    let content = try #require(JSONValue(parsing: readFile(file), file: file).objectValue)
    let (keys, facts) = (
      try #require(content["keys"]?.objectValue), try #require(content["facts"]?.objectValue)
    )
    self.name = name
    self.facts = facts
    unchanged = try ModelConfiguration(json: .object(keys), file: "config.json")
    changes = try #require(content["cases"]?.arrayValue).map {
      try Change(try #require($0.objectValue), keys: keys, facts: facts)
    }
  }

  enum Outcome: Equatable { case used, equal, refused(String) }

  func outcome(_ change: Change) throws -> (Outcome, ModelConfiguration?) {
    do {
      let configuration = try ModelConfiguration(json: .object(change.file), file: "config.json")
      return (configuration == unchanged ? .equal : .used, configuration)
    } catch let fault as Fault {
      return (.refused(fault.message), nil)
    }
  }
}

/// The facts in which the model differs from transformers' model.
private func differences(_ model: ModelConfiguration, _ facts: JSONObject) throws -> [String] {
  func numbers(_ key: String) -> [Double] { facts[key]?.arrayValue?.compactMap(\.doubleValue) ?? [] }
  func number(_ key: String) -> Double? { facts[key]?.doubleValue }
  func near(_ a: Double?, _ b: Double?) -> Bool {
    guard let a, let b else { return a == nil && b == nil }
    // The fixture holds six digits.
    return abs(a - b) <= 1e-5 * abs(b)
  }
  let layers = try #require(facts["layers"]?.arrayValue).compactMap(\.objectValue)
  let end = facts["end"]?.arrayValue?.compactMap(\.intValue) ?? [facts["end"]?.intValue].compactMap { $0 }
  let (queryWidth, keyWidth) = (
    model.numAttentionHeads * model.headDim, model.numKeyValueHeads * model.headDim
  )
  var checks: [(String, Bool)] = [
    ("embedding", numbers("embedding") == [Double(model.vocabSize), Double(model.hiddenSize)]),
    ("mlp", facts["mlp"]?.intValue == model.intermediateSize),
    ("query", facts["query"]?.intValue == queryWidth), ("key", facts["key"]?.intValue == keyWidth),
    ("head_dim", facts["head_dim"]?.intValue == model.headDim),
    ("epsilon", near(Double(model.rmsNormEps), number("epsilon"))),
    ("layers", layers.count == model.numHiddenLayers),
    ("final_cap", near(model.finalLogitSoftcapping.map(Double.init), number("final_cap"))),
    ("padding", facts["padding"]?.intValue == model.padTokenId), ("end", end == model.eosTokenIds),
    ("initializer_range", near(model.initializerRange, number("initializer_range"))),
    ("positions", facts["positions"]?.intValue == model.maxPositionEmbeddings),
    ("activation", facts["activation"] == .string("GELUTanh")), ("bias", facts["bias"] == .bool(false)),
    ("dropout", number("dropout") ?? 0 == 0), ("tied", facts["tied"] == .bool(true)),
    ("bidirectional", facts["bidirectional"] == .bool(false)),
  ]
  for (layer, kind) in zip(layers, model.layerKinds) {
    let window = kind == .sliding ? model.slidingWindow : nil
    let rotary = model.rotary(of: kind)
    let frequencies = layer["frequencies"]?.arrayValue?.compactMap(\.doubleValue) ?? []
    let own = stride(from: 0, to: model.headDim, by: 2).map {
      1 / pow(rotary.theta, Double($0) / Double(model.headDim)) / rotary.linearScale
    }
    checks += [
      ("window", layer["window"]?.intValue == window),
      ("scale", near(model.attentionScale, layer["scale"]?.doubleValue)),
      ("cap", near(model.attnLogitSoftcapping.map(Double.init), layer["cap"]?.doubleValue)),
      (
        "frequencies",
        frequencies.count == own.count && zip(own, frequencies).allSatisfy { near($0, $1) }
      ),
    ]
  }
  return checks.filter { !$0.1 }.map(\.0)
}

/// Every key of a config.json is used, or is known to change nothing, or is refused by its name.
@Suite struct ConfigurationKeysTests {
  static let families = ["gemma", "gemma2", "gemma3_text"]

  @Test(arguments: families) func unchangedFileIsWhatTransformersComputes(_ name: String) throws {
    let walk = try Walk(name)
    #expect(try differences(walk.unchanged, walk.facts).isEmpty)
  }

  @Test(arguments: zip(families, [223, 233, 233]))
  func whatIsAcceptedIsWhatTransformersComputes(_ name: String, _ count: Int) throws {
    let walk = try Walk(name)
    #expect(walk.changes.count == count)
    for change in walk.changes {
      guard let configuration = try walk.outcome(change).1, let facts = change.facts else { continue }
      #expect(
        try differences(configuration, facts).isEmpty,
        "\(change.keys) \(JSONValue.object(change.file).text())")
    }
  }

  /// A null that transformers refuses may still count as off here.
  @Test(arguments: families) func whatTransformersRefusesIsRefused(_ name: String) throws {
    let walk = try Walk(name)
    let off: Set = [
      "hidden_act", "hidden_activation", "attention_bias", "attention_dropout", "use_cache", "num_labels",
    ]
    for change in walk.changes where change.facts == nil {
      if change.value == .null, off.contains(change.keys[0]) { continue }
      guard case .refused = try walk.outcome(change).0 else {
        Issue.record("\(name) \(change.keys): \(JSONValue.object(change.file).text())")
        continue
      }
    }
  }

  @Test(arguments: families) func whatIsRefusedIsNamed(_ name: String) throws {
    let walk = try Walk(name)
    var refusals = 0
    for change in walk.changes {
      guard case .refused(let message) = try walk.outcome(change).0 else { continue }
      refusals += 1
      #expect(change.keys.contains { message.contains($0) }, "\(change.keys): \(message)")
    }
    #expect(refusals > 40)
  }

  /// The numbers of keys that are used, known to change nothing, and refused, with the values of the fixture.
  @Test(arguments: zip(families, [[14, 57, 24], [18, 58, 19], [18, 60, 18]]))
  func everyKeyIsUsedOrInertOrRefused(_ name: String, _ counts: [Int]) throws {
    let walk = try Walk(name)
    let policy = ConfigurationPolicy(of: walk.unchanged.family)
    // Keys that the fixture's file overrides, or that spell what is assumed. The tokenizer says which token
    // begins a sequence.
    let assumed: Set = [
      "bos_token_id", "hidden_act", "rope_theta", "rope_local_base_freq", "sliding_window_pattern",
      "layer_types",
    ]
    var outcomes: [String: Walk.Outcome] = [:]
    for change in walk.changes where change.value != nil && change.value != .null {
      let outcome = try walk.outcome(change).0
      if outcomes[change.keys[0]] == nil { outcomes[change.keys[0]] = outcome }
      guard outcome == .equal else { continue }
      #expect(policy.isInert(change.keys[0]) || assumed.contains(change.keys[0]), "\(change.keys)")
    }
    let used = outcomes.values.count { $0 == .used }
    let equal = outcomes.values.count { $0 == .equal }
    #expect([used, equal, outcomes.count - used - equal] == counts)
  }
}
