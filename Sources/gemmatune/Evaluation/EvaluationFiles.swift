import Files
import GSM8K

/// One line of `predictions.jsonl`.
struct Prediction: Equatable, Sendable {
  var problem: Problem
  var answer: ModelAnswer
  var score: ScoredAnswer

  /// An answer beside its problem, scored.
  init(_ problem: Problem, _ answer: ModelAnswer) {
    self.problem = problem
    self.answer = answer
    score = ScoredAnswer(answer.completion, to: problem)
  }

  /// The line as JSON; `reference` is the worked answer, `tags` say what a wrong answer looks like.
  var json: JSONValue {
    let tags = score.correct ? [] : missTags(completion: answer.text, stop: answer.stop)
    return .object([
      "id": .int(problem.id), "question": .string(problem.question), "reference": .string(problem.answer),
      "completion": .string(answer.completion), "extracted": score.extracted.map { .string($0) } ?? .null,
      "correct": .bool(score.correct), "correct_flexible": .bool(score.correctFlexible),
      "correct_openai": .bool(score.correctOpenAI), "stop": .string(answer.stop.rawValue),
      "tokens": .int(answer.tokenCount), "tags": .array(tags.map { .string($0.rawValue) }),
    ])
  }
}

/// `summary.json` of an evaluation: the score, and what was evaluated how.
struct EvaluationSummary: Sendable {
  var score: Score
  /// Generated tokens of all answers, and the wall-clock seconds they took.
  var tokenCount: Int
  var seconds: Double
  var promptHash: String
  /// The base model's folder, the run's name and its method.
  var model: String, run: String, method: String
  /// The file that the questions came from.
  var references: String
  var batchSize: Int
  /// What computed.
  var kernels: String
  /// What the configuration and the command line asked for.
  var settings: EvaluationSettings
  /// Whether the adapter was trained on another base model than it was evaluated over.
  var otherBase: Bool

  /// The summary as JSON.
  var json: JSONValue {
    var object = score.json
    object["mean_tokens"] = .double(Double(tokenCount) / Double(max(1, score.count)))
    object["tokens_per_second"] = .double(Double(tokenCount) / max(seconds, 1e-9))
    object["seconds"] = .double(seconds)
    object["prompt_hash"] = .string(promptHash)
    object["model"] = .string(model)
    object["run"] = .string(run)
    object["method"] = .string(method)
    object["references"] = .string(references)
    object["batch_size"] = .int(batchSize)
    object["kernels"] = .string(kernels)
    object["settings"] = settings.json
    if otherBase { object["other_base"] = .bool(true) }
    return .object(object)
  }
}

extension Score {
  /// The score as JSON: by all three definitions, with Wilson's interval of the strict one.
  var json: JSONObject {
    let interval = confidenceInterval
    return [
      "exact_match": .double(exactMatch), "exact_match_flexible": .double(exactMatchFlexible),
      "exact_match_openai": .double(exactMatchOpenAI), "count": .int(count), "correct": .int(correct),
      "correct_flexible": .int(correctFlexible), "correct_openai": .int(correctOpenAI),
      "confidence_interval_95": .array([.double(interval.lowerBound), .double(interval.upperBound)]),
    ]
  }

  /// The score for a person: "31/100 exact match: 31.0 % [22.8, 40.6] (flexible 33.0 %, OpenAI 31.0 %)".
  var text: String {
    func percent(_ share: Double) -> String { (share * 100).formatted(decimals: 1) }
    let interval = confidenceInterval
    return "\(correct)/\(count) exact match: \(percent(exactMatch)) % "
      + "[\(percent(interval.lowerBound)), \(percent(interval.upperBound))] "
      + "(flexible \(percent(exactMatchFlexible)) %, OpenAI \(percent(exactMatchOpenAI)) %)"
  }
}
