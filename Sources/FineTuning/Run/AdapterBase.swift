import Files
import Gemma

/// The base model that an adapter was trained on, as the adapter's folder records it.
struct AdapterBase {
  /// How a base model relates to the recorded one.
  enum Relation: Equatable {
    case same, other
    /// The folder does not record the base.
    case notRecorded
  }

  /// The adapter's folder.
  let folder: String
  private let facts: RunFacts?

  /// Reads the record in the folder of an adapter.
  /// - Throws: `Fault` .badData.
  init(ofAdapterIn folder: String) throws {
    self.folder = folder
    facts = try RunFacts.found(in: folder)
  }

  /// How the base model with this fingerprint relates to the recorded one.
  func relation(to fingerprint: BaseFingerprint) -> Relation {
    guard let recorded = facts?.baseFingerprint else { return .notRecorded }
    return recorded == fingerprint ? .same : .other
  }

  /// The fault for another base model in `path`.
  func refusal(of path: String, hint: String) -> Fault {
    Fault(
      .badData, file: "\(folder)/\(RunFacts.fileName)", place: "base_fingerprint",
      "the adapter was trained on \(recordedPath), got \(difference(of: path)); expected that base model",
      hint: hint)
  }

  /// The note where another base model in `path` is allowed.
  func note(on path: String) -> String {
    "note: the adapter was trained on \(recordedPath), and is evaluated over \(difference(of: path))"
  }

  /// The note where no base model is recorded.
  var notRecordedNote: String {
    "note: \(folder) does not record its base model (no base_fingerprint in \(RunFacts.fileName)): "
      + "whether it is this one cannot be checked"
  }

  /// Whether the folder records the base.
  var isRecorded: Bool { facts?.baseFingerprint != nil }

  /// The base model's folder, as the configuration of the training named it.
  private var recordedPath: String { facts?.baseModel ?? "" }

  private func difference(of path: String) -> String {
    absolutePath(path) == absolutePath(recordedPath)
      ? "\(path) with other content (its weights or its config.json have changed)" : "\(path), another model"
  }
}
