import Files
import Foundation
import Testing
import FineTuning

/// The files of a run's folder, by their names within the folder `run`, for `withRunFolders`.
struct RunFiles {
  var run: String
  var configuration: String
  var metrics: String?
  var answers: [String] = []
  var summary: String?
  var facts: String?
  var probes: String?

  /// A run called `run` with this method and more lines of YAML.
  init(_ run: String, method: String, more: String = "") {
    self.run = run
    configuration = "run: {name: \(run)}\nmethod: \(method)\n\(more)"
  }

  var files: [String: String] {
    var files = ["\(run)/config.yaml": configuration]
    files["\(run)/metrics.jsonl"] = metrics
    files["\(run)/evaluation/predictions.jsonl"] = answers.isEmpty ? nil : answers.joined()
    files["\(run)/evaluation/summary.json"] = summary
    files["\(run)/evaluation/probes.jsonl"] = probes
    files["\(run)/final/gemmatune.json"] = facts
    return files
  }

  /// This run with `count` answers. Those with the ids `right` are right.
  func answering(_ count: Int, right: Set<Int>, references: String = "data/gsm8k/test.jsonl") -> RunFiles {
    var copy = self
    copy.answers = (0..<count).map { answerLine($0, isRight: right.contains($0)) }
    copy.summary = "{\"references\": \"\(references)\", \"prompt_hash\": \"00aa\"}"
    return copy
  }

  /// This run with one step for each loss.
  func trained(_ losses: [String]) -> RunFiles {
    var copy = self
    copy.metrics = losses.enumerated().map { stepLine($0 + 1, loss: $1) }.joined()
    return copy
  }

  /// This run with facts beside finished weights.
  func finished(base: Int = 1000, trainable: Int = 1000) -> RunFiles {
    var copy = self
    copy.facts = """
      {"prompt_hash": "00aa", "base_model": "m", "method": "full", "kernels": "k", "steps": 2, "base_parameters": \(base),
      "trainable_parameters": \(trainable)}
      """
    return copy
  }
}

/// A line of predictions.jsonl.
func answerLine(_ id: Int, isRight: Bool, completion: String = "#### 3") -> String {
  let answer: JSONValue = .object([
    "id": .int(id), "question": .string("What is \(id) + 1?"), "reference": .string("#### \(id + 1)"),
    "completion": .string(completion), "extracted": .string("3"), "correct": .bool(isRight),
    "correct_flexible": .bool(isRight || id == 7), "correct_openai": .bool(isRight), "stop": .string("eos"),
    "tokens": .int(10 + id), "tags": .array(isRight ? [] : [.string("reasoning")]),
  ])
  return answer.text() + "\n"
}

/// A line of metrics.jsonl: 16 sequences and 3,000 tokens in two seconds.
func stepLine(_ step: Int, loss: String) -> String {
  """
  {"step":\(step),"epoch":0.5,"loss":\(loss),"learning_rate":1e-05,"gradient_norm":1.5,"changed_share":0.25,\
  "tokens":3000,"target_tokens":2000,"samples":16,"step_seconds":2.0,"samples_per_second":8.0,\
  "tokens_per_second":1500.0,"peak_memory_bytes":2500000000}

  """
}

/// Writes `files` (name to text) into a new folder, which is removed after `body`.
@discardableResult
func withRunFolders<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
  let folder = "\(FileManager.default.temporaryDirectory.path)/\(UUID().uuidString)"
  try makeDirectory(folder)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  for (name, text) in files {
    let file = "\(folder)/\(name)"
    try makeDirectory(String(file.prefix(upTo: file.lastIndex(of: "/") ?? file.endIndex)))
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
  }
  return try body(folder)
}

/// Makes a report on these runs, in order.
func withReport<Result>(_ runs: [RunFiles], _ body: (StudyReport, String) throws -> Result) throws -> Result {
  let files = runs.reduce(into: [:]) { $0.merge($1.files) { first, _ in first } }
  return try withRunFolders(files) { folder in
    try body(StudyReport(try RunRecord.load(runs.map { "\(folder)/\($0.run)" })), folder)
  }
}

/// A small study: a base and two tuned runs, ten questions.
let smallStudy = [
  RunFiles("base", method: "none").answering(10, right: [0]),
  RunFiles("full-main", method: "full").answering(10, right: [0, 1, 2, 3, 4, 5, 6, 8]).trained(["2.0", "1.0"])
    .finished(),
  RunFiles("lora-socratic", method: "lora", more: "data: {variant: socratic}\n")
    .answering(10, right: [1, 2, 3]).trained(["2.5", "1.5"]).finished(trainable: 50),
]
