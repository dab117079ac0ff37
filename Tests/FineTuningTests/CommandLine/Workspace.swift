import Files
import Foundation

/// What a finished process left: its exit status, and all of its standard output and standard error.
struct CommandResult: Equatable {
  var status: Int32
  var output: String
  var errors: String

  /// A refusal: one error line, and the hint below it.
  static func refusal(_ status: Int32, _ message: String, hint: String? = nil) -> CommandResult {
    let hint = hint.map { "hint: \($0)\n" } ?? ""
    return CommandResult(status: status, output: "", errors: "error: \(message)\n\(hint)")
  }
}

/// A temporary folder to run the command in. It has `model/` (gemma3, two layers, no weights), `data/` (6
/// training and 3 test problems) and `run.yaml` (full training from random weights, 3 steps, run directory
/// `runs/run`).
final class Workspace {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("gemmatune-\(UUID())").path
    try write("model/config.json", TinyInputs.modelConfiguration)
    try FileManager.default.copyItem(
      atPath: "\(fixtures)/tokenizer/tokenizer.model", toPath: "\(path)/model/tokenizer.model")
    try write("data/train.jsonl", TinyInputs.problems(6))
    try write("data/test.jsonl", TinyInputs.problems(9, from: 6))
    try write("run.yaml", TinyInputs.runConfiguration)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and the folders above it.
  func write(_ name: String, _ text: String) throws {
    try makeDirectory(URL(fileURLWithPath: "\(path)/\(name)").deletingLastPathComponent().path)
    try writeAtomically(text, to: "\(path)/\(name)")
  }

  /// The bytes of a file.
  func bytes(_ name: String) throws -> [UInt8] { try readFile("\(path)/\(name)") }

  /// The text of a file.
  func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  /// The object in a JSON file.
  func object(_ name: String) throws -> JSONObject { try json("\(path)/\(name)") }

  /// The object on each line of a JSONL file.
  func objects(_ name: String) throws -> [JSONObject] {
    try lines(of: bytes(name)).map {
      try wanted(JSONValue(parsing: Array($0.bytes), file: name, line: $0.number).objectValue)
    }
  }

  /// Every file and folder, sorted.
  var contents: [String] {
    (FileManager.default.subpaths(atPath: path) ?? []).sorted()
  }

  /// Runs the command in the workspace.
  func run(_ arguments: String...) throws -> CommandResult { try run(arguments) }

  /// Runs the command in the workspace, or in a folder of it.
  /// - Parameters:
  ///   - environment: additional variables.
  ///   - shell: how a shell starts the command `"$@"`, redirections included.
  func run(
    _ arguments: [String], in folder: String = ".", environment: [String: String] = [:],
    shell: String = "exec \"$@\""
  ) throws -> CommandResult {
    let (output, errors) = ("\(path).out", "\(path).err")
    defer {
      unlink(output)
      unlink(errors)
    }
    for file in [output, errors] { try writeAtomically("", to: file) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", shell, "sh", try Self.command] + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: "\(path)/\(folder)")
    process.environment = ["PATH": "/usr/bin:/bin", "HOME": path].merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
    try process.run()
    process.waitUntilExit()
    let status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    return CommandResult(
      status: status, output: String(decoding: try readFile(output), as: UTF8.self),
      errors: String(decoding: try readFile(errors), as: UTF8.self))
  }

  /// The command, which is built together with the tests and lies beside their executable.
  private static var command: String {
    get throws {
      let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
      let command = URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent(
        "gemmatune")
      guard FileManager.default.isExecutableFile(atPath: command.path) else {
        throw Fault(.missing, file: command.path, "no such program; expected it beside the tests")
      }
      return command.path
    }
  }
}

/// The files of a workspace.
enum TinyInputs {
  /// 13,648 parameters, with the vocabulary of the tokenizer fixture.
  static let modelConfiguration = """
    {
      "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "vocab_size": 512, "hidden_size": 16,
      "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
      "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 8,
      "layer_types": ["sliding_attention", "full_attention"], "max_position_embeddings": 512,
      "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "rms_norm_eps": 1e-06,
      "hidden_activation": "gelu_pytorch_tanh", "initializer_range": 0.1, "bos_token_id": 2, "eos_token_id": 1,
      "pad_token_id": 0, "tie_word_embeddings": true, "torch_dtype": "bfloat16"
    }

    """

  static let runConfiguration = """
    model: {path: model, initialize: random}
    method: full
    data: {path: data}
    train:
      per_device_batch_size: 1
      gradient_accumulation_steps: 2
      max_length: 128
      learning_rate: 1.0e-2
      min_learning_rate: 1.0e-3
    evaluation: {max_new_tokens: 6, batch_size: 2}
    device: cpu
    threads: 1

    """

  /// JSONL of sums, numbered from `start` up to, but without, `end`.
  static func problems(_ end: Int, from start: Int = 0) -> String {
    (start..<end).map { number in
      problem(
        "Ann has \(number) figs and buys 2. How many now?",
        "\(number) + 2 = <<\(number)+2=\(number + 2)>>\(number + 2)\\n#### \(number + 2)")
    }.joined()
  }

  /// One line of JSONL. Both texts must be escaped already.
  static func problem(_ question: String, _ answer: String) -> String {
    "{\"question\": \"\(question)\", \"answer\": \"\(answer)\"}\n"
  }
}
