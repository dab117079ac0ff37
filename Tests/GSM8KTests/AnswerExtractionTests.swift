import Files
import GSM8K
import Testing

/// A completion to a reference ending in `#### 18`, and the definitions by which it is right.
private struct Vector: Sendable {
  let completion: String
  let openAI: Bool
  let strict: Bool
  let flexible: Bool

  init(_ completion: String, _ openAI: Bool, _ strict: Bool, _ flexible: Bool) {
    self.completion = completion
    self.openAI = openAI
    self.strict = strict
    self.flexible = flexible
  }
}

/// Verdicts of the two harnesses' own code.
private let vectors: [Vector] = [
  Vector("so 18.\n#### 18", true, true, true), Vector("#### 18 eggs", true, true, true),
  Vector("#### 18%", true, true, true), Vector("#### 1,8", true, true, true),
  Vector(" #### 18", true, true, true), Vector("#### 18.", false, true, true),
  Vector("#### 18.0", false, false, false), Vector("#### 018", false, false, false),
  Vector("#### -18", false, false, false), Vector("#### $18", false, false, true),
  Vector("####18", false, false, true), Vector("####  18", false, false, true),
  Vector("#### 17\n#### 18", false, false, true), Vector("#### 18 or 19", true, true, false),
  Vector("#### 18\n\nQuestion: If 3 pens cost 5 dollars", true, true, false),
  Vector("#### 36/2", false, false, false), Vector("The answer is 18", false, false, true),
  Vector("The answer is 18.", false, false, true), Vector("18, I think", false, false, true),
  Vector("9*2=<<9*2=18>>18", false, false, true), Vector("The answer is $18.00", false, false, false),
  Vector("she makes 18...", false, false, false), Vector("#### ,", false, false, false),
  Vector("...", false, false, false), Vector("", false, false, false),
  Vector("#### \u{2212}18", false, false, true),
]

@Suite struct AnswerExtractionTests {
  @Test(arguments: vectors) fileprivate func publishedVectorIsJudgedAsByTheHarnesses(vector: Vector) {
    let problem = Problem(id: 0, question: "?", answer: "9 * 2 = $<<9*2=18>>18.\n#### 18")
    let answer = ScoredAnswer(vector.completion, to: problem)
    #expect(answer.correctOpenAI == vector.openAI)
    #expect(answer.correct == vector.strict)
    #expect(answer.correctFlexible == vector.flexible)
  }

  @Test func extractedStringsAreThoseNamedInTheDefinitions() {
    #expect(openAIAnswer(in: "#### 18.") == "18.")
    #expect(openAIAnswer(in: "#### ,") == "")
    #expect(strictAnswer(in: "#### ,") == ",")
    #expect(flexibleAnswer(in: "#### ,") == nil)
    #expect(flexibleAnswer(in: "she makes 18...") == "18...")
    #expect(strictAnswer(in: "#### 36/2") == "36")
    #expect(openAIAnswer(in: "#### $18") == nil)
  }

  @Test func everyRowAgreesWithPythonsRegularExpressions() throws {
    let rows = lines(of: try readFile(fixture("extraction.jsonl")))
    #expect(rows.count == 108)
    for row in rows {
      let object = try #require(JSONValue(parsing: row.bytes, file: "extraction.jsonl").objectValue)
      let completion = try #require(object["completion"]?.stringValue)
      let reference = try #require(object["reference"]?.stringValue)
      let answer = ScoredAnswer(completion, to: Problem(id: 0, question: "?", answer: reference))
      #expect(object["openai"]?.stringValue == answer.extractedOpenAI ?? "[invalid]", "row \(row.number)")
      #expect(object["strict"]?.stringValue == answer.extracted ?? "[invalid]", "row \(row.number)")
      #expect(object["flexible"]?.stringValue == answer.extractedFlexible ?? "[invalid]", "row \(row.number)")
      #expect(object["correct_openai"]?.boolValue == answer.correctOpenAI, "row \(row.number)")
      #expect(object["correct_strict"]?.boolValue == answer.correct, "row \(row.number)")
      #expect(object["correct_flexible"]?.boolValue == answer.correctFlexible, "row \(row.number)")
    }
  }

  @Test func stopStringCutsWhereTheFirstOfThemBegins() {
    #expect("#### 18\n\nQuestion: If".truncated(at: ["Question:"]) == "#### 18\n\n")
    #expect("a Q: b </s> c".truncated(at: ["</s>", "Q:"]) == "a ")
    #expect("é Question".truncated(at: ["Question:", ""]) == "é Question")
    #expect("Question:".truncated(at: ["Question:"]) == "")
    #expect("é\u{301}😀x".truncated(at: ["x"]) == "é\u{301}😀")
  }

  @Test func cuttingAtTheStopStringMakesTheFlexibleReadingRight() {
    let problem = Problem(id: 0, question: "?", answer: "#### 18")
    let completion = "#### 18\n\nQuestion: If 3 pens cost 5 dollars"
    #expect(!ScoredAnswer(completion, to: problem).correctFlexible)
    #expect(ScoredAnswer(completion.truncated(at: ["Question:"]), to: problem).correctFlexible)
  }

  @Test func disagreementIsNoticed() {
    let problem = Problem(id: 0, question: "?", answer: "#### 18")
    #expect(ScoredAnswer("#### 18.", to: problem).definitionsDisagree)
    #expect(!ScoredAnswer("#### 18", to: problem).definitionsDisagree)
  }
}
