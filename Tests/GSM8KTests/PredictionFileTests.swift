import Files
import GSM8K
import Testing

/// Three problems whose answers are 1, 2 and 3.
private let references = (1...3).map { "{\"question\": \"q\($0)\", \"answer\": \"#### \($0)\"}" }
  .joined(separator: "\n")

/// Scores `predictions` against the three problems. Otherwise says why not.
private func scored(_ predictions: String, stops: [String] = []) throws -> (
  answers: [ScoredAnswer], refusal: String
) {
  try withFolder { folder in
    try writeAtomically(references, to: folder + "/refs.jsonl")
    try writeAtomically(predictions, to: folder + "/p.jsonl")
    var answers: [ScoredAnswer] = []
    let refusal = message(folder) {
      answers = try scoredPredictions(
        predictionsFile: folder + "/p.jsonl", referencesFile: folder + "/refs.jsonl", stops: stops)
    }
    return (answers, refusal)
  }
}

@Suite struct PredictionFileTests {
  private let complete = """
    {"id": 2, "completion": "#### 3", "tokens": 4}
    {"id": 0, "completion": "#### 7"}
    {"id": 1, "completion": "#### 2 Question: 9"}

    """

  @Test func completionsMeetTheirProblemsByID() throws {
    let answers = try scored(complete).answers
    #expect(answers.map(\.id) == [0, 1, 2])
    #expect(answers.map(\.correct) == [false, true, true])
    #expect(answers.map(\.correctFlexible) == [false, false, true])
  }

  @Test func completionsAreCutAtStopStrings() throws {
    let answers = try scored(complete, stops: ["Question:"]).answers
    #expect(answers.map(\.correctFlexible) == [false, true, true])
    #expect(answers[1].completion == "#### 2 ")
  }

  @Test(arguments: [
    (
      #"{"id": 1, "completion": ""}"#,
      "p.jsonl: no prediction for id 0 and 1 more; expected one for each of the 3 problems"
    ),
    ("", "p.jsonl: no prediction for id 0 and 2 more; expected one for each of the 3 problems"),
    (#"{"id": 3, "completion": ""}"#, "p.jsonl:1: id 3 has no problem; expected 0 to 2"),
    (#"{"id": -1, "completion": ""}"#, "p.jsonl:1: id -1 has no problem; expected 0 to 2"),
    (#"{"id": "1", "completion": ""}"#, "p.jsonl:1: id: got \"1\"; expected a whole number from 0 to 2"),
    (#"{"id": 1.0, "completion": ""}"#, "p.jsonl:1: id: got 1.0; expected a whole number from 0 to 2"),
    (#"{"completion": ""}"#, "p.jsonl:1: id: missing; expected a whole number from 0 to 2"),
    (#"{"id": 1}"#, "p.jsonl:1: completion: missing; expected text"),
    (#"{"id": 1, "completion": null}"#, "p.jsonl:1: completion: got null; expected text"),
    (
      "{\"id\": 1, \"completion\": \"\"}\n{\"id\": 1, \"completion\": \"\"}",
      "p.jsonl:2: id 1 again, first on line 1"
    ),
    ("7", "p.jsonl:1: got 7; expected an object"),
  ])
  func badPredictionsAreRefusedByPlace(predictions: String, expected: String) throws {
    #expect(try scored(predictions).refusal == expected)
  }

  @Test func oneMissingIDIsNamed() throws {
    let two = "{\"id\": 0, \"completion\": \"\"}\n{\"id\": 2, \"completion\": \"\"}"
    #expect(
      try scored(two).refusal
        == "p.jsonl: no prediction for id 1; expected one for each of the 3 problems")
  }

  @Test func missingFileIsNamed() throws {
    #expect(throws: Fault(.missing, "/nowhere/refs.jsonl: no such file")) {
      try scoredPredictions(predictionsFile: "/nowhere/p.jsonl", referencesFile: "/nowhere/refs.jsonl")
    }
  }
}
