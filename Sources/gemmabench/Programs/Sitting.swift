import Files
import FoundationEssentials

/// What all measurements of one session share: the model, the data, the programs, and how much to measure.
package struct Sitting {
  /// The base model's folder, and the folder with GSM8K's files.
  package var model: String, data: String
  /// The folder of the tiny model and its problems, `configs/tiny`.
  package var tiny: String
  /// Paths of the gemmatune binary and of this program.
  package var gemmatune: String, gemmabench: String
  /// The peer; nil leaves it out.
  package var peer: Peer?
  /// Worker threads of both programs.
  package var threads: Int
  /// How many times each measurement is made.
  package var repeats: Int
  /// How much work one measurement is.
  package var extent: Extent
  /// A folder for the programs' output. It is emptied after each measurement.
  package var scratch: String

  /// How much work one measurement is.
  package enum Extent: String, Sendable {
    /// Enough for figures to quote.
    case full
    /// Enough to see that everything runs.
    case quick
  }

  /// The value for this session's extent.
  func pick<Value>(full: Value, quick: Value) -> Value { extent == .full ? full : quick }

  /// Runs gemmatune with a configuration, which is written to the scratch folder.
  /// - Throws: `Fault`.
  func gemmatune(_ command: String, _ configuration: JSONValue, _ flags: [String]) throws -> ChildResult {
    let file = try write(configuration)
    return try runChild([gemmatune, command, file] + flags, scratch: scratch)
  }

  /// Runs this program as a child for one measurement.
  /// - Returns: the numbers that it prints, one object a line, each with its peak memory as `peak_gigabytes`.
  /// - Throws: `Fault`.
  func measure(_ arguments: [String], model: String? = nil, threads: Int? = nil) throws -> [JSONObject] {
    let child = try runChild(
      [gemmabench, "measure"] + arguments + [
        "--model", model ?? self.model, "--data", data, "--threads", "\(threads ?? self.threads)",
      ], scratch: scratch)
    return try objects(child, from: "gemmabench measure")
  }

  /// Writes a configuration for both programs. JSON is YAML too.
  func write(_ configuration: JSONValue) throws -> String {
    let file = "\(scratch)/configuration.yaml"
    try writeAtomically(configuration.text(indent: 2) + "\n", to: file)
    return file
  }

  /// Runs `body`, then empties the scratch folder.
  func tidily<Result>(_ body: () throws -> Result) throws -> Result {
    defer {
      for name in (try? FileManager.default.contentsOfDirectory(atPath: scratch)) ?? [] {
        try? FileManager.default.removeItem(atPath: "\(scratch)/\(name)")
      }
    }
    return try body()
  }
}

/// The JSON objects that a child printed, one a line, each with the child's peak memory.
func objects(_ child: ChildResult, from program: String) throws -> [JSONObject] {
  try lines(of: child.output).compactMap { line in
    // Libraries may print lines of their own.
    guard line.bytes.first == UInt8(ascii: "{") else { return nil }
    var object = try JSONValue(parsing: Array(line.bytes), file: program, line: line.number).objectValue
    object?["peak_gigabytes"] = .double(child.peakBytes / 1e9)
    return object
  }
}
