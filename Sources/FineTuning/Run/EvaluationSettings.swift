import Files
import GSM8K
import Tensors

/// The settings that an evaluation used, under the configuration's own keys: `settings` in its
/// `summary.json`.
///
/// A run's `config.yaml` holds the settings of training. `eval` may be given other values, and the report
/// shows the values that were used.
package struct EvaluationSettings: Equatable, Sendable {
  /// All of `evaluation:`.
  package var evaluation: RunConfiguration.EvaluationSection
  /// `prompt.template`.
  package var template: PromptWording.Template
  /// `model.path`: the base model's folder.
  package var modelPath: String
  /// `model.precision`.
  package var precision: RunConfiguration.ModelSection.Precision
  /// `data.path`.
  package var dataPath: String
  /// Where the answers were computed.
  package var place: Place

  /// The settings of a configuration.
  init(_ configuration: RunConfiguration, place: Place) {
    evaluation = configuration.evaluation
    template = configuration.prompt.template
    modelPath = configuration.model.path
    precision = configuration.model.precision
    dataPath = configuration.data.path
    self.place = place
  }

  /// The settings as `summary.json` holds them.
  package var json: JSONValue {
    var prompt = JSONObject()
    var model = JSONObject()
    var data = JSONObject()
    prompt[Key.template] = template
    model[Key.path] = modelPath
    model[Key.precision] = precision
    data[Key.path] = dataPath
    var object: JSONObject = [
      Key.evaluation: evaluation.json, Key.prompt: .object(prompt), Key.model: .object(model),
      Key.data: .object(data),
    ]
    object[.device] = place
    return .object(object)
  }

  /// Reads the settings of a summary.
  /// - Throws: `Fault` .badData naming the file and the key.
  init(_ fields: JSONFields) throws {
    evaluation = try RunConfiguration.EvaluationSection(fields.nested(Key.evaluation))
    template = try fields.nested(Key.prompt).read(Key.template)
    modelPath = try fields.nested(Key.model).read(Key.path)
    precision = try fields.nested(Key.model).read(Key.precision)
    dataPath = try fields.nested(Key.data).read(Key.path)
    place = try fields.read(.device)
  }

  private enum Key {
    static let evaluation = "evaluation"
    static let prompt = "prompt"
    static let model = "model"
    static let data = "data"
    static let path = JSONKey.text("path")
    static let template = JSONKey<PromptWording.Template>.choice("template")
    static let precision = JSONKey<RunConfiguration.ModelSection.Precision>.choice("precision")
  }
}

extension RunConfiguration.EvaluationSection {
  fileprivate var json: JSONValue {
    var object = JSONObject()
    object[Key.split] = split
    object[Key.variant] = variant
    object[Key.limit] = limit
    object[Key.maxNewTokens] = maxNewTokens
    object[Key.batchSize] = batchSize
    object[Key.shots] = shots
    object[Key.instruction] = instruction
    object[Key.example] =
      example.map {
        .object([Key.question.name: .string($0.question), Key.answer.name: .string($0.answer)])
      } ?? .null
    object[Key.stop] = stop
    object[Key.probes] = probes
    return .object(object)
  }

  fileprivate init(_ fields: JSONFields) throws {
    self.init()
    split = try fields.read(Key.split)
    variant = try fields.read(Key.variant)
    limit = try fields.read(Key.limit)
    maxNewTokens = try fields.read(Key.maxNewTokens)
    batchSize = try fields.read(Key.batchSize)
    shots = try fields.read(Key.shots)
    instruction = try fields.read(Key.instruction)
    if fields.object[Key.example] != .null {
      let shown = try fields.nested(Key.example)
      example = Example(question: try shown.read(Key.question), answer: try shown.read(Key.answer))
    }
    stop = try fields.read(Key.stop)
    probes = try fields.read(Key.probes)
  }

  private enum Key {
    static let split = JSONKey<RunConfiguration.Split>.choice("split")
    static let variant = JSONKey<Variant>.choice("variant")
    static let limit = JSONKey.whole("limit").orNull
    static let maxNewTokens = JSONKey.whole("max_new_tokens")
    static let batchSize = JSONKey.whole("batch_size")
    static let shots = JSONKey.whole("shots")
    static let instruction = JSONKey.text("instruction").orNull
    static let example = "example"
    static let question = JSONKey.text("question")
    static let answer = JSONKey.text("answer")
    static let stop = JSONKey.texts("stop")
    static let probes = JSONKey.text("probes").orNull
  }
}
