import Testing
import FineTuning

struct RunComparisonTests {
  @Test func runsOnDifferentFilesAreNotPaired() throws {
    let other = RunFiles("b", method: "full").answering(10, right: [], references: "other.jsonl").finished()
    try withReport([smallStudy[0], smallStudy[1], other]) { report, _ in
      #expect(report.comparisons.map(\.second) == ["full-main"])
      #expect(
        report.notes == [
          "Runs with questions from different files are not compared: data/gsm8k/test.jsonl (base, full-main); "
            + "other.jsonl (b)."
        ])
    }
  }

  @Test func runsWithOtherQuestionsUnderAnIdAreNotPaired() throws {
    var other = RunFiles("b", method: "none").answering(1, right: [])
    other.answers[0] = other.answers[0].replacing("What is 0", with: "What is 9")
    try withReport([smallStudy[0], other]) { report, _ in
      #expect(report.comparisons.isEmpty)
      #expect(
        report.notes == [
          "base and b are not compared: data/gsm8k/test.jsonl held another example 0 when the second was evaluated."
        ])
    }
  }

  @Test func onlySharedQuestionsCount() throws {
    let short = RunFiles("b", method: "full").answering(4, right: [0, 1]).finished()
    try withReport([smallStudy[0], short]) { report, _ in
      #expect(report.comparisons.map(\.outcome.count) == [4])
      #expect(report.comparisons.map(\.outcome.onlySecond) == [1])
    }
  }

  @Test func differenceIsShownBelowOneInTwenty() throws {
    // (5, 0) gives p = 0.0625 and (6, 0) gives 0.03125. The level lies between them.
    for (right, verdict) in [(5, "not shown"), (6, "b is better")] {
      let better = RunFiles("b", method: "full").answering(10, right: Set(0..<right)).finished()
      try withReport([RunFiles("a", method: "none").answering(10, right: []), better]) { report, _ in
        #expect(report.comparisons.map(\.verdict) == [verdict])
      }
    }
  }

  @Test func questionsWhereRunsDisagreeComeFirst() throws {
    try withReport(smallStudy) { report, _ in
      let expected = [0, 1, 2, 3, 4].map { "Question \($0)" }
      #expect(report.questions.map(\.title) == expected)
      #expect(report.questions[0].answers.map(\.isCorrect) == [true, true, false])
    }
    try withReport([smallStudy[0], RunFiles("b", method: "full").answering(10, right: [0, 8])]) { report, _ in
      #expect(report.questions.first?.title == "Question 8")
    }
  }

  @Test func probesStandSideBySide() throws {
    var runs = Array(smallStudy.prefix(2))
    runs[0].probes = "{\"question\": \"Q?\", \"completion\": \"one\"}\n"
    runs[1].probes =
      "{\"question\": \"Q?\", \"completion\": \"two\"}\n{\"question\": \"R?\", \"completion\": \"\"}\n"
    try withReport(runs) { report, _ in
      #expect(report.probes.map(\.question) == ["Q?", "R?"])
      #expect(report.probes[0].answers.map(\.completion) == ["one", "two"])
      #expect(report.probes[1].answers.map(\.run) == ["full-main"])
    }
  }
}
