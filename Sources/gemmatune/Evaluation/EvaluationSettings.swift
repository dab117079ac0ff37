import Files
import GSM8K
import Tensors

/// What an evaluation was made with, under the configuration's own keys: `settings` in its `summary.json`.
///
/// A run's `config.yaml` is its training's: `eval` may be given other values, and the report shows those that were used.
package struct EvaluationSettings: Equatable, Sendable {
  /// `evaluation:`, all of it.
  package var evaluation: RunConfiguration.EvaluationSection
  /// `prompt.template`.
  package var template: PromptWording.Template
  /// `model.path`: the base model's folder.
  package var modelPath: String
  /// `model.precision`.
  package var precision: RunConfiguration.ModelSection.Precision
  /// `data.path`.
  package var dataPath: String
  /// Where it was computed.
  package var place: Place

  /// Those of a configuration.
  init(_ configuration: RunConfiguration, place: Place) {
    evaluation = configuration.evaluation
    template = configuration.prompt.template
    modelPath = configuration.model.path
    precision = configuration.model.precision
    dataPath = configuration.data.path
    self.place = place
  }

  /// As they stand in `summary.json`.
  package var json: JSONValue {
    .object([
      "evaluation": evaluation.json, "prompt": .object(["template": .string(template.rawValue)]),
      "model": .object(["path": .string(modelPath), "precision": .string(precision.rawValue)]),
      "data": .object(["path": .string(dataPath)]), "device": .string(place == .device ? "cuda" : "cpu"),
    ])
  }

  /// Reads the settings of a summary; nil where it holds none, as older ones.
  /// - Throws: `Fault` .badData naming the file and the key.
  init?(summary: JSONObject, file: String) throws {
    guard let object = summary["settings"] else { return nil }
    let settings = StoredSection(object: object.objectValue, path: "settings", file: file)
    evaluation = try RunConfiguration.EvaluationSection(settings.section("evaluation"))
    template = try settings.section("prompt").choice("template")
    modelPath = try settings.section("model").text("path")
    precision = try settings.section("model").choice("precision")
    dataPath = try settings.section("data").text("path")
    place = try settings.value("device") { ["cpu": Place.host, "cuda": .device][$0.stringValue ?? ""] }
  }
}

extension RunConfiguration.EvaluationSection {
  fileprivate var json: JSONValue {
    .object([
      "split": .string(split.rawValue), "variant": .string(variant.rawValue),
      "limit": limit.map { .int($0) } ?? .null, "max_new_tokens": .int(maxNewTokens),
      "batch_size": .int(batchSize), "shots": .int(shots),
      "instruction": instruction.map { .string($0) } ?? .null,
      "example": example.map {
        .object(["question": .string($0.question), "answer": .string($0.answer)])
      } ?? .null,
      "stop": .array(stop.map { .string($0) }), "probes": probes.map { .string($0) } ?? .null,
    ])
  }

  fileprivate init(_ section: StoredSection) throws {
    self.init()
    split = try section.choice("split")
    variant = try section.choice("variant")
    limit = try section.optional("limit", \.intValue)
    maxNewTokens = try section.value("max_new_tokens", \.intValue)
    batchSize = try section.value("batch_size", \.intValue)
    shots = try section.value("shots", \.intValue)
    instruction = try section.optional("instruction", \.stringValue)
    if section.object?["example"] != .null {
      let shown = try section.section("example")
      example = Example(question: try shown.text("question"), answer: try shown.text("answer"))
    }
    stop = try section.value("stop") { value in
      value.arrayValue.flatMap { texts in
        let strings = texts.compactMap(\.stringValue)
        return strings.count == texts.count ? strings : nil
      }
    }
    probes = try section.optional("probes", \.stringValue)
  }
}

/// An object of stored settings.
private struct StoredSection {
  /// nil where there is none.
  let object: JSONObject?
  let path: String
  let file: String

  func section(_ key: String) throws -> StoredSection {
    StoredSection(object: try value(key, \.objectValue), path: "\(path).\(key)", file: file)
  }

  func text(_ key: String) throws -> String { try value(key, \.stringValue) }

  func choice<Choice: RawRepresentable<String>>(_ key: String) throws -> Choice {
    try value(key) { $0.stringValue.flatMap(Choice.init) }
  }

  func optional<Value>(_ key: String, _ read: (JSONValue) -> Value?) throws -> Value? {
    object?[key] == .null ? nil : try value(key, read)
  }

  func value<Value>(_ key: String, _ read: (JSONValue) -> Value?) throws -> Value {
    guard let value = object?[key].flatMap(read) else {
      throw Fault(.badData, file: file, "key '\(path).\(key)' is missing or of another type")
    }
    return value
  }
}
