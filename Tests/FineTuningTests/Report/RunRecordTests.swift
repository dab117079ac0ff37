import Files
import Testing
import FineTuning

struct RunRecordTests {
  @Test func missingFolderIsNamed() {
    #expect(throws: Fault(.missing, "no/such: no such run folder")) { try RunRecord.load(["no/such/"]) }
  }

  @Test func folderWithoutConfigurationIsNamed() throws {
    try withRunFolders([:]) { folder in
      #expect(throws: Fault(.missing, "\(folder): holds no config.yaml; expected the folder of a run")) {
        try RunRecord.load([folder])
      }
    }
  }

  @Test func folderGivenTwiceIsRefused() throws {
    try withRunFolders(RunFiles("a", method: "full").files) { folder in
      #expect(throws: Fault(.usage, "\(folder)/a/: given twice; expected each run once")) {
        try RunRecord.load(["\(folder)/a", "\(folder)/a/"])
      }
    }
  }

  @Test func runsOfOneNameGetTheirFolders() throws {
    let files = ["x/config.yaml": "run: {name: a}\n", "y/config.yaml": "run: {name: a}\n"]
    try withRunFolders(files) { folder in
      let names = try RunRecord.load(["\(folder)/x", "\(folder)/y"]).map(\.name)
      #expect(names == ["a (\(folder)/x)", "a (\(folder)/y)"])
    }
  }

  @Test func stateFollowsWhatIsThere() throws {
    try withReport([smallStudy[0], smallStudy[1], RunFiles("c", method: "full").trained(["1.0"])]) {
      report, _ in
      #expect(report.runs.map(\.state) == [.untrained, .finished, .unfinished])
      #expect(report.notes == ["c is not finished: step 1 is its last so far.", "c is not evaluated."])
    }
  }

  @Test func otherPromptThanInTrainingIsNoted() throws {
    var run = smallStudy[1]
    run.summary = "{\"references\": \"t.jsonl\", \"prompt_hash\": \"00bb\"}"
    try withReport([run]) { report, _ in
      #expect(
        report.notes == [
          "full-main was evaluated with another prompt (00bb) than it was trained with (00aa)."
        ])
    }
  }

  /// The configuration names a file, but the evaluation may have used another.
  @Test func evaluationWithoutSummaryDoesNotSayWhichQuestionsItTook() throws {
    var run = smallStudy[0]
    run.summary = nil
    try withReport([run, smallStudy[1]]) { report, _ in
      #expect(report.runs[0].evaluation?.references == nil)
      let facts = Dictionary(uniqueKeysWithValues: report.factsTable.rows.map { ($0[0], $0[1]) })
      #expect(facts["Evaluated on"] == "not recorded, 10 questions")
      // The questions themselves show that they are the same.
      #expect(report.comparisons.map(\.outcome.count) == [10] && report.notes.isEmpty)
    }
  }

  @Test(arguments: [
    ("[]", "got []; expected an object"),
    (#"{"id": -1}"#, "id: got -1; expected a whole number from 0"),
    (#"{"id": 1}"#, "question: missing; expected text"),
    (
      #"{"id": 1, "question": "", "reference": "", "completion": ""}"#,
      "correct: missing; expected true or false"
    ),
    (
      #"{"id": 0, "question": "", "reference": "", "completion": "", "correct": true, "correct_flexible": true, "tokens": 1}"#,
      "id 0 again, first on line 1"
    ),
  ])
  func badPredictionIsNamedByLine(line: String, message: String) throws {
    var run = RunFiles("a", method: "none")
    run.answers = [answerLine(0, isRight: true), line + "\n"]
    try withRunFolders(run.files) { folder in
      #expect(throws: Fault(.badData, "\(folder)/a/evaluation/predictions.jsonl:2: \(message)")) {
        try RunRecord.load(["\(folder)/a"])
      }
    }
  }
}
