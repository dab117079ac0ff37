import Files

/// Results that belong together, under one heading.
package struct BenchmarkTable: Equatable, Sendable {
  /// The heading.
  package var title: String
  /// How the lines were measured: settings, and what counts.
  package var note: String
  /// The lines, in order.
  package var lines: [BenchmarkLine]

  /// A table of these lines, under the heading `title`.
  package init(_ title: String, note: String, _ lines: [BenchmarkLine]) {
    self.title = title
    self.note = note
    self.lines = lines
  }

  /// Removes the goals of all lines.
  package mutating func forgetGoals() {
    for index in lines.indices { lines[index].goal = nil }
  }

  /// The table as JSON.
  package var json: JSONValue {
    .object(["title": .string(title), "note": .string(note), "lines": .array(lines.map(\.json))])
  }

  /// The table in GitHub's Markdown under its heading. Columns without content in any line are left out.
  package var markdown: String {
    let columns = Column.all.filter { column in lines.contains { column.cell($0) != nil } }
    let heading = columns.map(\.heading)
    let rule = columns.map { $0.isNumber ? "---:" : "---" }
    let rows = lines.map { line in columns.map { $0.cell(line) ?? "–" } }
    let table = ([heading, rule] + rows).map { "| \($0.joined(separator: " | ")) |" }
    return (["## \(title)", "", note, ""] + table).joined(separator: "\n") + "\n"
  }
}

/// A column of the Markdown: its heading, and its content for a line.
private struct Column: Sendable {
  let heading: String
  var isNumber = true
  /// The content; nil where the line has none.
  let cell: @Sendable (BenchmarkLine) -> String?

  static let all = [
    Column(heading: "work", isNumber: false) { $0.work },
    Column(heading: "measured", isNumber: false) { $0.quantity },
    Column(heading: "gemmatune") { $0.ours.median.map(shown) },
    Column(heading: "range") { spread($0.ours) },
    Column(heading: "peer") { $0.peer.median.map(shown) },
    Column(heading: "peer's range") { spread($0.peer) },
    Column(heading: "times better") { line in
      advantage(of: line.ours, over: line.peer, line.preference).map { times in
        line.peer.values.count > 1
          ? "\(shown(times.median)) (\(shown(times.range)))" : shown(times.median)
      }
    },
    Column(heading: "best of the machine") { $0.ceiling.map(shown) },
    Column(heading: "share") { $0.shareOfCeiling.map { "\(shown($0 * 100)) %" } },
    Column(heading: "wanted") { line in
      switch line.goal {
      case .advantage(let wanted): "≥ \(shown(wanted)) times"
      case .atMost(let wanted): "≤ \(shown(wanted))"
      case nil: nil
      }
    },
    Column(heading: "reached", isNumber: false) { line in line.isGoalMet.map { $0 ? "yes" : "no" } },
    Column(heading: "remark", isNumber: false) { $0.remark.map(cell) },
  ]

  /// The text, with characters escaped that would end its cell.
  private static func cell(_ text: String) -> String {
    text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
  }

  /// The range of several values; nil for one value.
  private static func spread(_ samples: Samples) -> String? {
    samples.values.count > 1 ? samples.range.map(shown) : nil
  }
}
