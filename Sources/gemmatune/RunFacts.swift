import Files
import Gemma
import Tensors

/// What a finished run says about itself beside its weights: `final/gemmatune.json`.
package struct RunFacts: Equatable, Sendable {
  /// `Prompt.hash` of training; evaluation compares its own.
  package var promptHash: String
  /// The base model's folder, as the configuration named it.
  package var baseModel: String
  /// What the base model of an adapter was; nil for full weights, and where an older file does not say.
  package var baseFingerprint: BaseFingerprint?
  /// `full` or `lora`.
  package var method: String
  /// What computed: libraries, vector instructions, threads.
  package var kernels: String
  /// Where they computed.
  package var place: Place
  /// Optimizer steps done.
  package var steps: Int
  /// Parameters of the base model, and those that were trained.
  package var baseParameters: Int, trainableParameters: Int
  /// Rows of the embedding; nil where the file does not say.
  package var vocabularySize: Int?

  /// The file's name in the folder of the weights.
  package static let fileName = "gemmatune.json"

  /// All of it.
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
    let file = "\(folder)/\(Self.fileName)"
    let object = try JSONValue(parsing: readFile(file, limit: 1 << 20), file: file).objectValue
    func fail(_ key: String) -> Fault {
      Fault(.badData, file: file, "key '\(key)' is missing or of another type")
    }
    func text(_ key: String) throws -> String {
      guard let value = object?[key]?.stringValue else { throw fail(key) }
      return value
    }
    func number(_ key: String) throws -> Int {
      guard let value = object?[key]?.intValue else { throw fail(key) }
      return value
    }
    func fingerprint() throws -> BaseFingerprint? {
      let key = "base_fingerprint"
      guard object?[key] != nil else { return nil }
      guard let fingerprint = BaseFingerprint(try text(key)) else { throw fail(key) }
      return fingerprint
    }
    func place() throws -> Place {
      // Older files do not say it: they were written where there was but the CPU.
      switch object?["device"] {
      case nil, .string("cpu"): return .host
      case .string("cuda"): return .device
      default: throw fail("device")
      }
    }
    self.init(
      promptHash: try text("prompt_hash"), baseModel: try text("base_model"), method: try text("method"),
      kernels: try text("kernels"), place: try place(),
      steps: try number("steps"), baseParameters: try number("base_parameters"),
      trainableParameters: try number("trainable_parameters"),
      vocabularySize: try object?["vocabulary_size"].map { _ in try number("vocabulary_size") },
      baseFingerprint: try fingerprint())
  }

  /// Reads the facts in a folder of finished weights; nil where the file is not there, as in an adapter of
  /// PEFT's.
  /// - Throws: `Fault` .badData.
  package static func found(in folder: String) throws -> RunFacts? {
    RunDirectory.exists("\(folder)/\(fileName)") ? try RunFacts(contentsOf: folder) : nil
  }

  /// The file's content.
  package var json: JSONValue {
    var object: JSONObject = [
      "prompt_hash": .string(promptHash), "base_model": .string(baseModel), "method": .string(method),
      "kernels": .string(kernels), "device": .string(place == .device ? "cuda" : "cpu"), "steps": .int(steps),
      "base_parameters": .int(baseParameters), "trainable_parameters": .int(trainableParameters),
    ]
    object["vocabulary_size"] = vocabularySize.map { .int($0) }
    if let baseFingerprint { object["base_fingerprint"] = .string(baseFingerprint.text) }
    return .object(object)
  }
}
