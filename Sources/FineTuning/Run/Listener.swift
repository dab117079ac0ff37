/// Passes on what a run tells the person who waits. The library itself prints nothing.
package struct Listener {
  /// Shows that `done` units of a piece of work are done, with `details` beside. `isDue` says whether it is
  /// time for a line where lines are shown instead of a bar.
  package typealias Progress = (_ done: Int, _ details: String, _ isDue: Bool) -> Void

  /// Passes on a line about the work. Those who asked for quiet do not get it.
  package var note: (_ line: String) -> Void
  /// Passes on a line that everybody gets.
  package var warn: (_ line: String) -> Void
  /// Begins a piece of work of `total` units with the name `label`.
  package var begin: (_ label: String, _ total: Int) -> Progress

  /// A listener made of these three functions.
  package init(
    note: @escaping (String) -> Void, warn: @escaping (String) -> Void,
    begin: @escaping (String, Int) -> Progress
  ) {
    self.note = note
    self.warn = warn
    self.begin = begin
  }
}
