import Files
import FoundationEssentials

/// The peer: transformers and PEFT, driven by `scripts/bench_peer.py`.
package struct Peer: Sendable {
  /// The Python interpreter and the script.
  package var python: String, script: String

  /// Runs one measurement.
  /// - Returns: the numbers that it prints, with its peak memory.
  /// - Throws: `Fault`.
  func measure(_ arguments: [String], _ sitting: Sitting) throws -> JSONObject {
    try measure(arguments + ["--threads", "\(sitting.threads)"], scratch: sitting.scratch)
  }

  /// Runs one measurement with exactly these arguments, and a limit in seconds.
  func measure(_ arguments: [String], scratch: String, limit: Double? = nil) throws -> JSONObject {
    let child = try runChild([python, script] + arguments, scratch: scratch, limit: limit)
    guard var last = try objects(child, from: script).last else {
      throw Fault(.failure, "\(script): printed no result")
    }
    last["seconds"] = last["seconds"] ?? .double(child.seconds)
    if let first = last["first_step_at"]?.doubleValue {
      last["first_step_seconds"] = .double(first - child.startedAt)
    }
    return last
  }

  /// Name and version of the peer's packages.
  /// - Throws: `Fault` .unavailable naming the packages that are missing.
  func versions(scratch: String) throws -> String {
    let child: ChildResult
    do {
      child = try runChild([python, script, "versions"], scratch: scratch)
    } catch let fault as Fault {
      throw Fault(
        .unavailable, fault.message,
        hint:
          "\(python) -m pip install torch transformers peft sentencepiece; PYTHON=... names another Python")
    }
    let versions = try objects(child, from: script).last ?? JSONObject()
    return versions.members.map { "\($0.key) \($0.value.stringValue ?? "?")" }.joined(separator: ", ")
  }
}
