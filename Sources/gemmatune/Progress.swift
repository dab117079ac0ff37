import Files
import FineTuning
import Glibc

/// The progress of a piece of work: a bar that a terminal redraws, otherwise one plain line a report.
struct Progress {
  private let label: String
  private let total: Int
  private let style: Style
  private let start = Stopwatch()

  private enum Style { case silent, bar, lines }

  /// Progress of `total` units of work called `label`; `quiet` shows none.
  init(_ label: String, total: Int, quiet: Bool) {
    self.label = label
    self.total = total
    style = quiet ? .silent : Console.isTerminal ? .bar : .lines
  }

  /// Shows that `done` units are done, with `details` beside.
  /// - Parameter isDue: whether a plain line is wanted now. A bar is always redrawn.
  func report(_ done: Int, _ details: String, isDue: Bool = true) {
    switch style {
    case .silent: return
    case .lines:
      if isDue || done == total { Console.note("\(label) \(done)/\(total)  \(details)") }
    case .bar:
      let line = "\r\(label) \(bar(done)) \(done)/\(total)  \(remaining(done))  \(details)\u{1B}[K"
      try? writeText(done == total ? line + "\n" : line, to: STDERR_FILENO, path: "standard error")
    }
  }

  private func bar(_ done: Int) -> String {
    let width = 24
    let filled = total == 0 ? width : done * width / total
    return String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
  }

  private func remaining(_ done: Int) -> String {
    guard done > 0 else { return "" }
    let seconds = Int(start.seconds / Double(done) * Double(total - done))
    let clock = seconds % 60 < 10 ? "0\(seconds % 60)" : "\(seconds % 60)"
    return "\(seconds / 60):\(clock) left"
  }
}
