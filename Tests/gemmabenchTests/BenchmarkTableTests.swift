import Files
import Testing

import gemmabench

/// A line with rates of both programs: 50 against 10, with a goal of 4 times.
private func comparedLine() -> BenchmarkLine {
  var line = BenchmarkLine("LoRA", "tokens/s", .more, Samples([40, 60, 50]))
  line.peer = Samples([10, 12, 10])
  line.goal = .advantage(4)
  return line
}

@Test func columnsWithoutContentAreLeftOut() {
  let line = BenchmarkLine("encoding", "seconds", .less, Samples([0.25]))
  let markdown = BenchmarkTable("Tokenizer", note: "One thread.", [line]).markdown
  #expect(
    markdown == """
      ## Tokenizer

      One thread.

      | work | measured | gemmatune |
      | --- | --- | ---: |
      | encoding | seconds | 0.25 |

      """)
}

@Test func comparedLineShowsBothProgramsRatioAndGoal() {
  let markdown = BenchmarkTable("Training", note: "Three repeats.", [comparedLine()]).markdown
  #expect(
    markdown.hasSuffix(
      """
      | work | measured | gemmatune | range | peer | peer's range | times better | wanted | reached |
      | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
      | LoRA | tokens/s | 50.0 | 40.0–60.0 | 10.0 | 10.0–12.0 | 5.00 (4.00–5.00) | ≥ 4.00 times | yes |

      """))
}

@Test func missingValueOfAColumnIsADash() {
  let alone = BenchmarkLine("full", "tokens/s", .more, Samples([7]))
  let markdown = BenchmarkTable("Training", note: "", [comparedLine(), alone]).markdown
  #expect(markdown.contains("| full | tokens/s | 7.00 | – | – | – | – | – | – |\n"))
}

@Test func shareIsTheMediansOfTheCeiling() {
  var line = BenchmarkLine("linear", "GFLOP/s", .more, Samples([90, 100, 110]))
  line.ceiling = 400
  #expect(line.shareOfCeiling == 0.25)
  let markdown = BenchmarkTable("Operations", note: "", [line]).markdown
  #expect(markdown.contains("| linear | GFLOP/s | 100 | 90.0–110 | 400 | 25.0 % |\n"))
}

@Test func shareOfATimeIsItsFloorOverIt() {
  var line = BenchmarkLine("add", "ms", .less, Samples([4]))
  line.ceiling = 3
  #expect(line.shareOfCeiling == 0.75)
}

@Test func remarkIsAColumnOfItsOwn() {
  var line = BenchmarkLine("add", "ms", .less, Samples([]))
  line.remark = "not measured: a|b"
  let markdown = BenchmarkTable("Operations", note: "", [line]).markdown
  #expect(
    markdown.hasSuffix(
      "| work | measured | remark |\n| --- | --- | --- |\n| add | ms | not measured: a\\|b |\n"))
  #expect(line.json.objectValue?["remark"]?.stringValue == "not measured: a|b")
}

@Test func tableWithoutGoalsWantsNothing() {
  var table = BenchmarkTable("Training", note: "", [comparedLine()])
  table.forgetGoals()
  #expect(table.lines[0].isGoalMet == nil && !table.markdown.contains("wanted"))
}

@Test func goalInUnitsIsMetAtThatMuch() {
  var line = BenchmarkLine("start", "seconds", .less, Samples([1]))
  line.goal = .atMost(1)
  #expect(line.isGoalMet == true)
  line.ours = Samples([1.01])
  #expect(line.isGoalMet == false)
}

@Test func goalOverThePeerIsOpenWithoutThePeer() {
  var line = comparedLine()
  line.peer = Samples([])
  #expect(line.isGoalMet == nil)
}

@Test func goalOverThePeerIsNotMetBelowIt() {
  var line = comparedLine()
  line.goal = .advantage(5.1)
  #expect(line.isGoalMet == false)
}

@Test func jsonOfALineHoldsEverySample() {
  #expect(
    comparedLine().json.text()
      == #"{"work":"LoRA","quantity":"tokens/s","better":"more","ours":{"median":50.0,"range":[40.0,60.0],"#
      + #""samples":[40.0,60.0,50.0]},"peer":{"median":10.0,"range":[10.0,12.0],"samples":[10.0,12.0,10.0]},"#
      + #""advantage":{"median":5.0,"range":[4.0,5.0]},"wanted_advantage":4.0,"goal_met":true}"#)
}

@Test func tableOfTheSameTitleIsReplaced() {
  var report = BenchmarkReport(facts: [])
  report.add(BenchmarkTable("A", note: "old", []))
  report.add(BenchmarkTable("B", note: "", []))
  report.add(BenchmarkTable("A", note: "new", []))
  #expect(report.tables.map(\.note) == ["new", ""])
}

@Test func reportBeginsWithWhatItWasMeasuredOn() {
  let report = BenchmarkReport(facts: [.init("processor", "A|B"), .init("cores", "2")])
  #expect(
    report.markdown.hasPrefix("# Benchmark\n\n| | |\n|---|---|\n| processor | A\\|B |\n| cores | 2 |\n"))
  #expect(report.json.text() == #"{"sitting":{"processor":"A|B","cores":"2"},"tables":[]}"#)
}

@Test(arguments: [
  (0, "0.00"), (0.012345, "0.0123"), (0.9994, "0.999"), (0.9996, "1.00"), (1.234, "1.23"), (9.996, "10.0"),
  (12.34, "12.3"), (99.96, "100"), (1234.5, "1234"), (-3.21, "-3.21"),
])
func threeDigitsAreShown(value: Double, text: String) {
  #expect(shown(value) == text)
}

@Test func rangeOfOneReadingIsThatReading() {
  #expect(shown(1.001...1.002) == "1.00")
  #expect(shown(1...2) == "1.00–2.00")
}
