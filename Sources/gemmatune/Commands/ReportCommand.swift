import ArgumentParser
import Files
import FineTuning
import FoundationEssentials

/// `gemmatune report`: accuracy, losses, throughput and answers of several runs, side by side.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Compare runs: tables, pictures and sample answers.",
    discussion: """
      Reads run folders only: no model is loaded and no run is changed, so runs that are still going on may be among \
      them. Writes report.md, report.html, summary.json and the pictures, with their data and scripts. Pictures need \
      gnuplot; everything else comes without it.
      """)

  @Argument(help: "Run folders; the first whose method is none is the base.", completion: .directory)
  var runs: [String]

  @Option(help: "The folder that the report goes to.", completion: .directory)
  var output: String

  @Flag(help: "Print the content of summary.json as one JSON object.")
  var json = false

  func run() throws {
    let report = StudyReport(try RunRecord.load(runs))
    let gnuplot = Gnuplot(searchPath: ProcessInfo.processInfo.environment["PATH"] ?? "")
    let hint = try ReportWriter(folder: output, gnuplot: gnuplot).write(report)
    if let hint { Console.note("hint: \(hint)") }
    try Console.result(json ? report.json.text() : "\(report.accuracyTable.text)\n\n\(output)/report.html")
  }
}
