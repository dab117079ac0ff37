import Files
import Gemma
import Tensors

/// What a finished run records about itself beside its weights: `final/gemmatune.json`.
package struct RunFacts: Equatable, Sendable {
  /// `Prompt.hash` of training. Evaluation compares its own hash with it.
  package var promptHash: String
  /// The base model's folder, as the configuration named it.
  package var baseModel: String
  /// The fingerprint of an adapter's base model; nil for full weights, and where an older file does not say.
  package var baseFingerprint: BaseFingerprint?
  /// `full` or `lora`.
  package var method: String
  /// The kernels that computed: libraries, vector instructions, threads.
  package var kernels: String
  /// Where the kernels computed.
  package var place: Place
  /// Number of optimizer steps done.
  package var steps: Int
  /// Number of parameters of the base model, and of trained parameters.
  package var baseParameters: Int, trainableParameters: Int
  /// Rows of the embedding; nil where the file does not say.
  package var vocabularySize: Int?

  /// The file's name in the folder of the weights.
  package static let fileName = "gemmatune.json"

  /// Facts of a run. Those that have a default may be unknown.
  package init(
    promptHash: String, baseModel: String, method: String, kernels: String, place: Place, steps: Int,
    baseParameters: Int, trainableParameters: Int, vocabularySize: Int? = nil,
    baseFingerprint: BaseFingerprint? = nil
  ) {
    self.promptHash = promptHash
    self.baseModel = baseModel
    self.baseFingerprint = baseFingerprint
    self.method = method
    self.kernels = kernels
    self.place = place
    self.steps = steps
    self.baseParameters = baseParameters
    self.trainableParameters = trainableParameters
    self.vocabularySize = vocabularySize
  }

  /// Reads the facts in a folder of finished weights.
  /// - Throws: `Fault`.
  package init(contentsOf folder: String) throws {
    let fields = try JSONFields(contentsOf: "\(folder)/\(Self.fileName)", limit: 1 << 20)
    self.init(
      promptHash: try fields.read(Key.promptHash), baseModel: try fields.read(Key.baseModel),
      method: try fields.read(Key.method), kernels: try fields.read(Key.kernels),
      // Older files do not record it. They were written when the CPU was the only device.
      place: try fields.read(.device, missing: .host), steps: try fields.read(Key.steps),
      baseParameters: try fields.read(Key.baseParameters),
      trainableParameters: try fields.read(Key.trainableParameters),
      vocabularySize: try fields.optional(Key.vocabularySize),
      baseFingerprint: try fields.optional(Key.baseFingerprint))
  }

  /// Reads the facts in a folder of finished weights; nil where the file does not exist, for example in an
  /// adapter that PEFT wrote.
  /// - Throws: `Fault` .badData.
  package static func found(in folder: String) throws -> RunFacts? {
    RunPaths.exists("\(folder)/\(fileName)") ? try RunFacts(contentsOf: folder) : nil
  }

  /// The file's content.
  package var json: JSONValue {
    var object = JSONObject()
    object[Key.promptHash] = promptHash
    object[Key.baseModel] = baseModel
    object[Key.method] = method
    object[Key.kernels] = kernels
    object[.device] = place
    object[Key.steps] = steps
    object[Key.baseParameters] = baseParameters
    object[Key.trainableParameters] = trainableParameters
    object[Key.vocabularySize] = vocabularySize
    object[Key.baseFingerprint] = baseFingerprint
    return .object(object)
  }

  private enum Key {
    static let promptHash = JSONKey.text("prompt_hash")
    static let baseModel = JSONKey.text("base_model")
    static let method = JSONKey.text("method")
    static let kernels = JSONKey.text("kernels")
    static let steps = JSONKey.whole("steps")
    static let baseParameters = JSONKey.whole("base_parameters")
    static let trainableParameters = JSONKey.whole("trainable_parameters")
    static let vocabularySize = JSONKey.whole("vocabulary_size")
    static let baseFingerprint = JSONKey<BaseFingerprint>(
      "base_fingerprint", expected: "64 lower-case hexadecimal digits",
      read: { $0.stringValue.flatMap(BaseFingerprint.init) }, write: { .string($0.text) })
  }
}

extension JSONKey where Value == Place {
  /// Where a run computed.
  static var device: JSONKey {
    JSONKey(
      "device", expected: "cpu or cuda",
      read: { ["cpu": Place.host, "cuda": .device][$0.stringValue ?? ""] },
      write: { .string($0 == .device ? "cuda" : "cpu") })
  }
}
