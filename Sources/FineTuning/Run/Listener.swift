/// What a run tells the person who waits. The library itself prints nothing.
package struct Listener {
  /// Shows that `done` units of a piece of work are done, with details beside. `isDue` says whether those who get lines
  /// instead of a bar should get one now.
  package typealias Progress = (_ done: Int, _ details: String, _ isDue: Bool) -> Void

  /// A line about the work. Those who asked for quiet do not get it.
  package var note: (_ line: String) -> Void
  /// A line that everybody gets.
  package var warn: (_ line: String) -> Void
  /// Begins a piece of work of `total` units that is called `label`.
  package var begin: (_ label: String, _ total: Int) -> Progress

  /// A listener of three parts.
  package init(
    note: @escaping (String) -> Void, warn: @escaping (String) -> Void,
    begin: @escaping (String, Int) -> Progress
  ) {
    self.note = note
    self.warn = warn
    self.begin = begin
  }
}
