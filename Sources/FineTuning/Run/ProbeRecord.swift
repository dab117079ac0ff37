import Files
import GSM8K

/// An answer to a question of the user's own: one line of `evaluation/probes.jsonl`.
package struct ProbeRecord: Equatable, Sendable {
  /// The question, and the answer's text.
  package var question: String, completion: String
  /// What ended the answer; nil where the file does not say.
  package var stop: StopReason?
  /// Number of generated tokens; nil where the file does not say.
  package var tokens: Int?

  /// The record of a probe and its answer.
  init(_ probe: Probe, _ answer: ModelAnswer) {
    question = probe.question
    completion = answer.completion
    stop = answer.stop
    tokens = answer.tokenCount
  }

  /// Reads a line of the file.
  /// - Throws: `Fault` .badData naming the key.
  package init(_ fields: JSONFields) throws {
    question = try fields.read(Key.question)
    completion = try fields.read(Key.completion)
    stop = try fields.optional(Key.stop)
    tokens = try fields.optional(Key.tokens)
  }

  /// The line of the file.
  package var json: JSONValue {
    var object = JSONObject()
    object[Key.question] = question
    object[Key.completion] = completion
    object[Key.stop] = stop
    object[Key.tokens] = tokens
    return .object(object)
  }

  private enum Key {
    static let question = JSONKey.text("question")
    static let completion = JSONKey.text("completion")
    static let stop = JSONKey<StopReason>.choice("stop")
    static let tokens = JSONKey.whole("tokens", from: 0)
  }
}
