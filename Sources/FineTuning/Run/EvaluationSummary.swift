import Files
import GSM8K
import Tensors

/// What was evaluated, how, and with what result: `evaluation/summary.json`. Older files hold a part of it.
package struct EvaluationSummary: Equatable, Sendable {
  /// The score; nil where the file does not hold all of its counts.
  package var score: Score?
  /// Generated tokens an answer and a second, and the wall-clock seconds of all answers.
  package var meanTokens: Double?, tokensPerSecond: Double?, seconds: Double?
  /// `Prompt.hash` of the evaluation.
  package var promptHash: String?
  /// The base model's folder, the run's name and its method.
  package var model: String?, run: String?, method: String?
  /// The file that the questions came from.
  package var references: String?
  /// Number of questions that were answered side by side.
  package var batchSize: Int?
  /// The kernels that computed.
  package var kernels: String?
  /// The settings of configuration and command line.
  package var settings: EvaluationSettings?
  /// Whether the adapter was evaluated over another base model than it was trained on.
  package var isOverOtherBase = false

  /// The summary of an evaluation that took `seconds`. The caller sets the prompt's hash, the file of the
  /// questions and the base.
  init(
    _ configuration: RunConfiguration, _ kernels: any Kernels, score: Score, of answers: [ModelAnswer],
    seconds: Double
  ) {
    let tokenCount = answers.reduce(0) { $0 + $1.tokenCount }
    self.score = score
    meanTokens = Double(tokenCount) / Double(max(1, score.count))
    tokensPerSecond = Double(tokenCount) / max(seconds, 1e-9)
    self.seconds = seconds
    model = configuration.model.path
    run = configuration.run.name
    method = configuration.method.rawValue
    batchSize = configuration.evaluation.batchSize
    self.kernels = kernels.summary
    settings = EvaluationSettings(configuration, place: kernels.place)
  }

  /// Reads the file.
  /// - Throws: `Fault` .badData naming the key.
  package init(contentsOf file: String) throws {
    let fields = try JSONFields(contentsOf: file, limit: 1 << 24)
    score = try Score(fields)
    meanTokens = try fields.optional(Key.meanTokens)
    tokensPerSecond = try fields.optional(Key.tokensPerSecond)
    seconds = try fields.optional(Key.seconds)
    promptHash = try fields.optional(Key.promptHash)
    model = try fields.optional(Key.model)
    run = try fields.optional(Key.run)
    method = try fields.optional(Key.method)
    references = try fields.optional(Key.references)
    batchSize = try fields.optional(Key.batchSize)
    kernels = try fields.optional(Key.kernels)
    settings = try fields.optionalNested(Key.settings).map(EvaluationSettings.init)
    isOverOtherBase = try fields.optional(Key.otherBase) ?? false
  }

  /// The content of the file.
  package var json: JSONValue {
    var object = score?.json ?? JSONObject()
    object[Key.meanTokens] = meanTokens
    object[Key.tokensPerSecond] = tokensPerSecond
    object[Key.seconds] = seconds
    object[Key.promptHash] = promptHash
    object[Key.model] = model
    object[Key.run] = run
    object[Key.method] = method
    object[Key.references] = references
    object[Key.batchSize] = batchSize
    object[Key.kernels] = kernels
    object[Key.settings] = settings?.json
    if isOverOtherBase { object[Key.otherBase] = true }
    return .object(object)
  }

  private enum Key {
    static let meanTokens = JSONKey.real("mean_tokens")
    static let tokensPerSecond = JSONKey.real("tokens_per_second")
    static let seconds = JSONKey.real("seconds")
    static let promptHash = JSONKey.text("prompt_hash")
    static let model = JSONKey.text("model")
    static let run = JSONKey.text("run")
    static let method = JSONKey.text("method")
    static let references = JSONKey.text("references")
    static let batchSize = JSONKey.whole("batch_size", from: 1)
    static let kernels = JSONKey.text("kernels")
    static let settings = "settings"
    static let otherBase = JSONKey.flag("other_base")
  }
}
