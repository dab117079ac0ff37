import Files
import Foundation

/// Runs `body` with a new folder, which is removed afterwards.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("gsm8k-\(UUID())").path
  try makeDirectory(folder)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}

/// The message of the fault that `body` throws, without the folder's name; "accepted" without a fault.
func message(_ folder: String, _ body: () throws -> Void) -> String {
  do {
    try body()
    return "accepted"
  } catch let fault as Fault {
    return fault.message.replacingOccurrences(of: folder + "/", with: "")
  } catch {
    return "not a fault: \(error)"
  }
}

/// A file of Tests/Fixtures.
func fixture(_ name: String) -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures").appendingPathComponent(name).path
}
