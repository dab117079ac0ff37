import Files
import GSM8K

extension Score {
  /// The members of a summary that hold the score by all three definitions, with Wilson's interval of the
  /// strict one.
  package var json: JSONObject {
    let interval = confidenceInterval
    var object: JSONObject = [
      "exact_match": .double(exactMatch), "exact_match_flexible": .double(exactMatchFlexible),
      "exact_match_openai": .double(exactMatchOpenAI),
    ]
    object[Key.count] = count
    object[Key.correct] = correct
    object[Key.correctFlexible] = correctFlexible
    object[Key.correctOpenAI] = correctOpenAI
    object["confidence_interval_95"] = .array([.double(interval.lowerBound), .double(interval.upperBound)])
    return object
  }

  /// Reads the counts, which decide the rest; nil where a summary does not hold all of them.
  /// - Throws: `Fault` .badData naming the key.
  init?(_ fields: JSONFields) throws {
    guard let count = try fields.optional(Key.count), let correct = try fields.optional(Key.correct),
      let flexible = try fields.optional(Key.correctFlexible),
      let openAI = try fields.optional(Key.correctOpenAI)
    else { return nil }
    self.init(count: count, correct: correct, correctFlexible: flexible, correctOpenAI: openAI)
  }

  private enum Key {
    static let count = JSONKey.whole("count", from: 0)
    static let correct = JSONKey.whole("correct", from: 0)
    static let correctFlexible = JSONKey.whole("correct_flexible", from: 0)
    static let correctOpenAI = JSONKey.whole("correct_openai", from: 0)
  }
}
