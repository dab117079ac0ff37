import Files
import Foundation
import Testing
import FineTuning

struct PictureTests {
  private static let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
  private static let hasGnuplot = path.split(separator: ":").contains {
    FileManager.default.isExecutableFile(atPath: "\($0)/gnuplot")
  }
  /// A name with what gnuplot would run, format, or take for the end of a string.
  private static let hostileName = "it's `cd ..;touch P` <x_y> %d%% {z} \\n #"

  private func study(named name: String) -> [RunFiles] {
    var run = smallStudy[1]
    run.configuration = "run: {name: \"\(name.replacing("\\", with: "\\\\"))\"}\nmethod: full\n"
    return [smallStudy[0], run]
  }

  @Test func namesAreQuotedInScripts() throws {
    try withReport(study(named: Self.hostileName)) { report, _ in
      let script = try #require(Picture.all(report).first).script
      #expect(script.contains("'it''s `cd ..;touch P` <x_y> %%d%%%% {z} \\n #' 1)"))
      #expect(script.contains("noenhanced"))
    }
  }

  @Test(.enabled(if: hasGnuplot, "gnuplot is not installed"))
  func picturesOfHostileNamesAreDrawnAndNothingRuns() throws {
    try withReport(study(named: Self.hostileName)) { report, folder in
      let hint = try ReportWriter(folder: "\(folder)/out", gnuplot: Gnuplot(searchPath: Self.path)).write(
        report)
      #expect(hint == nil)
      let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/out")
      #expect(names.count == 3 + 4 * 4)
      #expect(!names.contains("P"))
      for kind in Picture.Kind.allCases {
        let png = try readFile("\(folder)/out/\(kind.rawValue).png")
        #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47]))
      }
    }
  }

  @Test(.enabled(if: hasGnuplot, "gnuplot is not installed"))
  func twoReportsOnTheSameRunsAreTheSameBytes() throws {
    try withReport(smallStudy) { report, folder in
      for output in ["one", "two"] {
        _ = try ReportWriter(folder: "\(folder)/\(output)", gnuplot: Gnuplot(searchPath: Self.path)).write(
          report)
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/one")
      #expect(names.count == 19)
      for name in names {
        #expect(try readFile("\(folder)/one/\(name)") == readFile("\(folder)/two/\(name)"), "\(name)")
      }
    }
  }

  @Test func dataOfTheLossesHasAColumnPairForEachRun() throws {
    let longer = RunFiles("b\tc", method: "lora").trained(["1.0", "null", "3.0"])
    var files = longer
    files.configuration = "run: {name: \"b\\\"c\"}\nmethod: lora\n"
    files.run = "b"
    try withReport([RunFiles("a", method: "full").trained(["2.0"]), files]) { report, _ in
      let picture = try #require(Picture.all(report).first { $0.kind == .trainingLoss })
      let last = try #require(report.runs[1].training?.smoothedLosses[2])
      #expect(
        picture.data == """
          step\ta loss\ta smoothed\tb'c loss\tb'c smoothed
          1\t2.0\t2.0\t1.0\t1.0
          2\t\t\tnan\tnan
          3\t\t\t3.0\t\(last)

          """)
    }
  }
}
