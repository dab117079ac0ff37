/// One look at one library in one place.
package struct LibrarySighting: Equatable, Sendable, CustomStringConvertible {
  /// What was seen.
  package enum Outcome: Equatable, Sendable {
    /// There is no such file.
    case absent
    /// It is there and does not load, or lacks a function: why.
    case unusable(String)
    /// It is used: its version, and the file that was loaded.
    case found(version: CUDAVersion, file: String)
  }

  /// File name, such as "libnvrtc.so.13".
  package var library: String
  /// Where.
  package var place: LibraryPlace
  /// What was seen.
  package var outcome: Outcome

  /// All of it.
  package init(library: String, place: LibraryPlace, outcome: Outcome) {
    self.library = library
    self.place = place
    self.outcome = outcome
  }

  /// One line for a person.
  package var description: String {
    switch outcome {
    case .absent: "\(library): not in \(place)"
    case .unusable(let why): "\(library) in \(place): cannot be used: \(why)"
    case .found(let version, let file): "\(library): \(version), \(file)"
    }
  }
}
