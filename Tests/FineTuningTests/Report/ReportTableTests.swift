import Testing
import FineTuning

struct ReportTableTests {
  @Test func accuracyTableAsTextIsAligned() throws {
    try withReport(smallStudy) { report, _ in
      #expect(
        report.accuracyTable.text == """
          Run            Method     Data      Count  Correct  Exact match %  95 % interval  Flexible %  OpenAI %  Mean tokens
          base           none       –            10        1           10.0    [1.8, 40.4]        20.0      10.0         14.5
          full-main      full       main         10        8           80.0   [49.0, 94.3]        90.0      80.0         14.5
          lora-socratic  LoRA r=16  socratic     10        3           30.0   [10.8, 60.3]        40.0      30.0         14.5
          """)
    }
  }

  @Test func comparisonTableHoldsEveryPairTheBaseFirst() throws {
    try withReport([smallStudy[1], smallStudy[0], smallStudy[2]]) { report, _ in
      #expect(
        report.comparisonTable.text == """
          First      Second         Questions  Difference  b  c       p  Verdict
          base       full-main             10       +70.0  0  7  0.0156  full-main is better
          base       lora-socratic         10       +20.0  1  3  0.6250  not shown
          full-main  lora-socratic         10       -50.0  5  0  0.0625  not shown
          """)
    }
  }

  @Test func trainingTableHoldsMeansOfTheLastTenthAndMedians() throws {
    try withReport(smallStudy) { report, _ in
      #expect(
        report.trainingTable.text == """
          Run            Steps  First loss  Final loss  Samples/s  Tokens/s  Weights changed %   Time  Peak memory
          full-main          2      2.0000      1.0000       8.00    1500.0              25.00  4.0 s      2.50 GB
          lora-socratic      2      2.5000      1.5000       8.00    1500.0              25.00  4.0 s      2.50 GB
          """)
    }
  }

  @Test func wrongAnswersAreCountedByTag() throws {
    try withReport(smallStudy) { report, _ in
      #expect(
        report.missTable.text == """
          Run            Wrong  No answer  Truncated  Ran on  Arithmetic slip  Reasoning  Definitions differ
          base               9          0          0       0                0          9                   1
          full-main          2          0          0       0                0          2                   1
          lora-socratic      7          0          0       0                0          7                   1
          """)
    }
  }

  @Test func factsOfAnAdapterCountItsParameters() throws {
    try withReport([smallStudy[2]]) { report, _ in
      let facts = Dictionary(uniqueKeysWithValues: report.factsTable.rows.map { ($0[0], $0[1]) })
      #expect(facts["Parameters"] == "1,050")
      #expect(facts["Trainable"] == "50 (4.7619 %)")
      #expect(facts["Batch"] == "8 × 2 = 16 sequences a step")
      #expect(facts["Learning rate"] == "1e-05 to 1e-06, cosine, warm-up 3 % of the steps")
      #expect(facts["Tokens"] == "6,000, of them 4,000 targets")
    }
  }

  @Test func factsSayWhatComputedAndWhoseMemoryItWas() throws {
    var run = smallStudy[1]
    run.summary = "{\"kernels\": \"GPU of the evaluation\"}"
    func facts(_ run: RunFiles) throws -> [String: String] {
      try withReport([run]) { report, _ in
        Dictionary(uniqueKeysWithValues: report.factsTable.rows.map { ($0[0], $0[1]) })
      }
    }
    #expect(try facts(run)["Peak memory"] == "2.50 GB")
    run.facts = run.facts?.replacing("\"kernels\": \"k\"", with: "\"kernels\": \"k\", \"device\": \"cuda\"")
    let onGPU = try facts(run)
    #expect(onGPU["Peak memory"] == "2.50 GB of the device" && onGPU["Computed by"] == "k")
    #expect(onGPU["Answered by"] == "GPU of the evaluation")
  }

  @Test func runWithoutAnythingAppearsWithDashes() throws {
    try withReport([RunFiles("new", method: "full")]) { report, _ in
      #expect(report.accuracyTable.rows == [["new", "full", "main", "–", "–", "–", "–", "–", "–", "–"]])
      #expect(report.notes == ["new is not finished: no step is done.", "new is not evaluated."])
    }
  }

  @Test func markdownTableEscapesWhatCells() {
    let table = ReportTable(["Run", "n"], numbers: ["n"], rows: [["a|b_c <i> `x` [y](z)\u{7}", "1"]])
    #expect(
      table.markdown == """
        | Run | n |
        | --- | ---: |
        | a\\|b\\_c \\<i\\> \\`x\\` \\[y\\](z)\\\\u{7} | 1 |
        """)
  }

  @Test func htmlTableEscapesItsCells() {
    let table = ReportTable(["Run", "n"], numbers: ["n"], rows: [["<b>&\"'", "1"]])
    #expect(
      table.html == """
        <div class="wide"><table>
        <thead><tr><th scope="col">Run</th><th scope="col" class="number">n</th></tr></thead>
        <tbody>
        <tr><th scope="row">&lt;b&gt;&amp;&quot;&#39;</th><td class="number">1</td></tr>
        </tbody></table></div>
        """)
  }
}
