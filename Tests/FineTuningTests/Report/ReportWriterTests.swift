import Files
import Foundation
import Testing
import FineTuning

struct ReportWriterTests {
  private static let texts = ["report.html", "report.md", "summary.json"]
  private static let kinds = Picture.Kind.allCases.map(\.rawValue)

  private func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  private func text(_ path: String) throws -> String { String(decoding: try readFile(path), as: UTF8.self) }

  /// Puts an executable with the name gnuplot into the folder.
  private func fakeGnuplot(_ script: String, in folder: String) throws {
    try writeAtomically("#!/bin/sh\n\(script)\n", to: "\(folder)/gnuplot")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(folder)/gnuplot")
  }

  @Test func withoutGnuplotEverythingElseComesWithAHint() throws {
    try withReport(smallStudy) { report, folder in
      let hint = try ReportWriter(folder: "\(folder)/out/deep", gnuplot: Gnuplot(searchPath: folder)).write(
        report)
      #expect(hint == "no pictures: gnuplot is not installed; on Debian: apt install gnuplot-nox")
      let expected = Self.texts + Self.kinds.flatMap { ["\($0).gp", "\($0).tsv"] }
      #expect(try names("\(folder)/out/deep") == expected.sorted())
      let note =
        "No pictures: gnuplot is not installed; on Debian: apt install gnuplot-nox. Data and scripts lie beside this report."
      #expect(try text("\(folder)/out/deep/report.md").contains(note))
      #expect(try text("\(folder)/out/deep/report.html").contains(note))
    }
  }

  @Test func gnuplotThatFailsIsQuotedAndItsOldPicturesGo() throws {
    try withReport(smallStudy) { report, folder in
      try fakeGnuplot("echo '\"x.gp\" line 3: bad font' >&2; exit 1", in: folder)
      try makeDirectory("\(folder)/out")
      try writeAtomically("old", to: "\(folder)/out/final_loss_comparison.png")
      let hint = try ReportWriter(folder: "\(folder)/out", gnuplot: Gnuplot(searchPath: "::\(folder)")).write(
        report)
      #expect(
        hint
          == "pictures are missing: gnuplot failed: \"x.gp\" line 3: bad font; on Debian: apt install gnuplot-nox"
      )
      #expect(try !names("\(folder)/out").contains("final_loss_comparison.png"))
    }
  }

  @Test func gnuplotThatDrawsNothingIsAFailure() throws {
    try withReport(smallStudy) { report, folder in
      try fakeGnuplot("exit 0", in: folder)
      let hint = try ReportWriter(folder: "\(folder)/out", gnuplot: Gnuplot(searchPath: folder)).write(report)
      #expect(
        hint == "pictures are missing: gnuplot failed: it drew nothing; on Debian: apt install gnuplot-nox")
    }
  }

  @Test func outputThatIsAFileCannotBeCreated() throws {
    try withReport(smallStudy) { report, folder in
      let output = "\(folder)/base/config.yaml"
      #expect(throws: Fault(.cannotCreate, "\(output): cannot be created: File exists")) {
        try ReportWriter(folder: output, gnuplot: Gnuplot(searchPath: "")).write(report)
      }
    }
  }

  @Test func runFoldersStayAsTheyWere() throws {
    try withReport(smallStudy) { report, folder in
      let before = try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
      _ = try ReportWriter(folder: "\(folder)/out", gnuplot: Gnuplot(searchPath: "")).write(report)
      let after = try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
      #expect(after.filter { !$0.hasPrefix("out") } == before)
    }
  }

  @Test func reportWithoutTrainingHasNoPictureOfIt() throws {
    try withReport([smallStudy[0]]) { report, folder in
      #expect(Picture.all(report).map(\.kind) == [.exactMatch])
      _ = try ReportWriter(folder: "\(folder)/out", gnuplot: Gnuplot(searchPath: "")).write(report)
      #expect(try !text("\(folder)/out/report.md").contains("## Training"))
    }
  }

  @Test func lossNoteStandsOnlyWhereBothVariantsDo() throws {
    let note = "Loss is not comparable between main and socratic"
    for (runs, expected) in [(smallStudy, true), (Array(smallStudy.prefix(2)), false)] {
      try withReport(runs) { report, folder in
        _ = try ReportWriter(folder: "\(folder)/out", gnuplot: Gnuplot(searchPath: "")).write(report)
        #expect(try text("\(folder)/out/report.md").contains(note) == expected)
      }
    }
  }

  @Test func completionsStayText() throws {
    var run = smallStudy[0]
    run.answers = [answerLine(0, isRight: false, completion: "<script>x</script>\n```\u{1B}[2J\n# a")]
    try withReport([run]) { report, folder in
      _ = try ReportWriter(folder: "\(folder)/out", gnuplot: Gnuplot(searchPath: "")).write(report)
      let html = try text("\(folder)/out/report.html")
      #expect(html.contains("<pre>&lt;script&gt;x&lt;/script&gt;\n```\\u{1B}[2J\n# a</pre>"))
      #expect(!html.contains("<script"))
      #expect(
        try text("\(folder)/out/report.md").contains(
          "````text\n<script>x</script>\n```\\u{1B}[2J\n# a\n````\n"))
    }
  }

  @Test func summaryHoldsWhatTheTablesHold() throws {
    try withReport(smallStudy) { report, folder in
      _ = try ReportWriter(folder: "\(folder)/out", gnuplot: Gnuplot(searchPath: "")).write(report)
      let file = "\(folder)/out/summary.json"
      let summary = try JSONValue(parsing: try readFile(file), file: file)
      #expect(summary == report.json)
      let object = try #require(summary.objectValue)
      #expect(object["base"] == .string("base"))
      #expect(object["losses_comparable"] == .bool(false))
      let run = try #require(object["runs"]?.arrayValue?[1].objectValue)
      #expect(run["evaluation"]?.objectValue?["exact_match"] == .double(0.8))
      #expect(run["training"]?.objectValue?["final_loss"] == .double(1))
      #expect(
        object["comparisons"]?.arrayValue?[0].objectValue?["mcnemar_p"]?.doubleValue
          == report.comparisons[0].outcome.mcnemarP)
    }
  }
}
