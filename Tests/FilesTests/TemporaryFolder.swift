import Files
import Foundation

/// Runs `body` with a new folder, which is removed afterwards.
func withFolder(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("files-\(UUID())").path
  try makeDirectory(folder)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try body(folder)
}

/// The names in `folder`, sorted.
func names(in folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}
