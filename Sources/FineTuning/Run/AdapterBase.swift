import Files
import Gemma

/// What becomes of an adapter over a base model that it was not trained on.
package enum OtherBase: Sendable {
  /// It is an error.
  case refused
  /// It is said, and done.
  case allowed
}

/// The base model that an adapter was trained on, as the adapter's folder records it.
struct AdapterBase {
  /// How a base model relates to the recorded one.
  enum Relation: Equatable {
    case same, other
    /// The folder does not say what the base was.
    case notRecorded
  }

  /// The adapter's folder.
  let folder: String
  private let facts: RunFacts?

  /// Reads what the folder of an adapter says.
  /// - Throws: `Fault` .badData.
  init(ofAdapterIn folder: String) throws {
    self.folder = folder
    facts = try RunFacts.found(in: folder)
  }

  /// How a base model of this fingerprint relates to the recorded one.
  func relation(to fingerprint: BaseFingerprint) -> Relation {
    guard let recorded = facts?.baseFingerprint else { return .notRecorded }
    return recorded == fingerprint ? .same : .other
  }

  /// The refusal of another base model in `path`.
  func refusal(of path: String, hint: String) -> Fault {
    Fault(
      .badData, file: "\(folder)/\(RunFacts.fileName)", place: "base_fingerprint",
      "the adapter was trained on \(recordedPath), got \(difference(of: path)); expected that base model",
      hint: hint)
  }

  /// What to say where another base model in `path` is allowed.
  func note(on path: String) -> String {
    "note: the adapter was trained on \(recordedPath), and is evaluated over \(difference(of: path))"
  }

  /// What to say where nothing is recorded.
  var notRecordedNote: String {
    "note: \(folder) does not record its base model (no base_fingerprint in \(RunFacts.fileName)): "
      + "whether it is this one cannot be checked"
  }

  /// Whether the folder says what the base was.
  var isRecorded: Bool { facts?.baseFingerprint != nil }

  /// The base model's folder as it was configured.
  private var recordedPath: String { facts?.baseModel ?? "" }

  private func difference(of path: String) -> String {
    absolutePath(path) == absolutePath(recordedPath)
      ? "\(path) with other content (its weights or its config.json have changed)" : "\(path), another model"
  }
}
