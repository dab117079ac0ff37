import Files
import GSM8K

/// A scored answer beside its question: one line of `evaluation/predictions.jsonl`.
package struct AnswerRecord: Equatable, Sendable {
  /// Index in the reference file, from 0.
  package var id: Int
  /// The question, the worked answer, and the text that was scored.
  package var question: String, reference: String, completion: String
  /// The answer that the strict definition found; nil where it found none.
  package var extracted: String?
  /// Whether the answer is right by the strict and by the flexible definition.
  package var correct: Bool, correctFlexible: Bool
  /// Whether it is right by OpenAI's definition; nil where the file does not say.
  package var correctOpenAI: Bool?
  /// What ended the answer; nil where the file does not say.
  package var stop: StopReason?
  /// Number of generated tokens.
  package var tokens: Int
  /// Tags of a wrong answer, in the words of `MissTag`; nil where the file does not say.
  package var tags: [String]?

  /// Whether the definitions disagree about the answer.
  package var definitionsDisagree: Bool { correct != correctFlexible || correct != correctOpenAI ?? correct }

  /// The record of an answer and its score.
  init(_ problem: Problem, _ answer: ModelAnswer, _ score: ScoredAnswer) {
    id = problem.id
    question = problem.question
    reference = problem.answer
    completion = answer.completion
    extracted = score.extracted
    correct = score.correct
    correctFlexible = score.correctFlexible
    correctOpenAI = score.correctOpenAI
    stop = answer.stop
    tokens = answer.tokenCount
    tags = score.correct ? [] : missTags(completion: answer.text, stop: answer.stop).map(\.rawValue)
  }

  /// Reads a line of the file.
  /// - Throws: `Fault` .badData naming the key.
  package init(_ fields: JSONFields) throws {
    id = try fields.read(Key.id)
    question = try fields.read(Key.question)
    reference = try fields.read(Key.reference)
    completion = try fields.read(Key.completion)
    extracted = try fields.optional(Key.extracted)
    correct = try fields.read(Key.correct)
    correctFlexible = try fields.read(Key.correctFlexible)
    correctOpenAI = try fields.optional(Key.correctOpenAI)
    stop = try fields.optional(Key.stop)
    tokens = try fields.read(Key.tokens)
    tags = try fields.optional(Key.tags)
  }

  /// The line of the file.
  package var json: JSONValue {
    var object = JSONObject()
    object[Key.id] = id
    object[Key.question] = question
    object[Key.reference] = reference
    object[Key.completion] = completion
    object[Key.extracted.orNull] = extracted
    object[Key.correct] = correct
    object[Key.correctFlexible] = correctFlexible
    object[Key.correctOpenAI] = correctOpenAI
    object[Key.stop] = stop
    object[Key.tokens] = tokens
    object[Key.tags] = tags
    return .object(object)
  }

  private enum Key {
    static let id = JSONKey.whole("id", from: 0)
    static let question = JSONKey.text("question")
    static let reference = JSONKey.text("reference")
    static let completion = JSONKey.text("completion")
    static let extracted = JSONKey.text("extracted")
    static let correct = JSONKey.flag("correct")
    static let correctFlexible = JSONKey.flag("correct_flexible")
    static let correctOpenAI = JSONKey.flag("correct_openai")
    static let stop = JSONKey<StopReason>.choice("stop")
    static let tokens = JSONKey.whole("tokens", from: 0)
    static let tags = JSONKey.texts("tags")
  }
}
