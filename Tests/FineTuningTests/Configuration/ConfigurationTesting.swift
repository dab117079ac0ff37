import Files
import Foundation
import FineTuning

/// The configuration of the text `yaml`, called configs/a.yaml.
func configuration(_ yaml: String, _ overrides: String...) throws -> RunConfiguration {
  try RunConfiguration.parse(Array(yaml.utf8), file: "configs/a.yaml", overrides: overrides)
}

/// The messages of all faults in `yaml`, called configs/a.yaml; empty when it has none.
func configurationFaults(_ yaml: String, _ overrides: String...) -> [String] {
  configurationFaults(bytes: Array(yaml.utf8), overrides)
}

/// The messages of all faults in the bytes of configs/a.yaml; empty when they have none.
func configurationFaults(bytes: [UInt8], _ overrides: [String] = []) -> [String] {
  faultMessages { _ = try RunConfiguration.parse(bytes, file: "configs/a.yaml", overrides: overrides) }
}

/// The messages of all faults that `work` throws.
func faultMessages(_ work: () throws -> Void) -> [String] {
  do {
    try work()
    return []
  } catch let error as ConfigurationFaults {
    return error.faults.map(\.message)
  } catch let fault as Fault {
    return [fault.message]
  } catch {
    return ["unexpected: \(error)"]
  }
}

/// Writes `files` (name to text) into a new folder, which is removed after `body`.
func withConfigurationFolder<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws
  -> Result
{
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  for (name, text) in files {
    let file = folder.appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }
  return try body(folder.path)
}
