/// One attempt to find one library in one place.
package struct LibrarySighting: Equatable, Sendable, CustomStringConvertible {
  /// The result of an attempt.
  package enum Outcome: Equatable, Sendable {
    /// No such file exists.
    case absent
    /// The file exists, but does not load or lacks a function: the reason.
    case unusable(String)
    /// The library is used: its version, and the file that was loaded.
    case found(version: CUDAVersion, file: String)
  }

  /// File name, such as "libnvrtc.so.13".
  package var library: String
  /// Where it was searched.
  package var place: LibraryPlace
  /// The result.
  package var outcome: Outcome

  /// A library, a place, and the result.
  package init(library: String, place: LibraryPlace, outcome: Outcome) {
    self.library = library
    self.place = place
    self.outcome = outcome
  }

  /// The attempt in one line, for the user.
  package var description: String {
    switch outcome {
    case .absent: "\(library): not in \(place)"
    case .unusable(let why): "\(library) in \(place): cannot be used: \(why)"
    case .found(let version, let file): "\(library): \(version), \(file)"
    }
  }
}
