import Files
import FoundationEssentials

extension Sitting {
  /// Training with the study's settings through the real command: LoRA and full.
  func trainingTable() throws -> BenchmarkTable {
    let steps = pick(full: 4, quick: 2)
    let runs: [(name: String, method: String, memory: Double)] = [
      ("LoRA, rank 16, all linear maps", "lora", 4), ("full, 8-bit AdamW", "full", 3),
    ]
    return BenchmarkTable(
      "Training",
      note: "\(steps) steps of 8 x 2 sequences on GSM8K's training examples in file order, bf16, gradient "
        + "checkpointing, \(threads) threads. Tokens are real ones, without padding; of the steps after the first the median.",
      try runs.flatMap { run in
        try Work(
          name: run.name,
          quantities: [
            .init(
              label: "real tokens/s", key: "tokens_per_second", preference: .more, goal: .advantage(4)),
            .init(
              label: "peak memory, GB", key: "peak_gigabytes", preference: .less, goal: .advantage(run.memory)
            ),
          ],
          ours: { try train(training(run.method, steps: steps)) },
          peer: { try $0.measure(["train", write(training(run.method, steps: steps))], self) }
        ).measured(self)
      })
  }

  /// The time from the start of the process to the end of the first optimizer step, with the tiny model.
  func startUpTable() throws -> BenchmarkTable {
    var tinySitting = self
    tinySitting.model = "\(tiny)/model"
    tinySitting.data = "\(tiny)/data"
    let configuration = tinySitting.training("lora", steps: 1)
    let line = Work(
      name: "start to first optimizer step, tiny model",
      quantities: [
        .init(label: "seconds", key: "first_step_seconds", preference: .less, goal: .atMost(1))
      ],
      ours: { try tinySitting.train(configuration) },
      peer: { try $0.measure(["train", tinySitting.write(configuration)], tinySitting) })
    return BenchmarkTable(
      "Start-up",
      note:
        "LoRA on configs/tiny, \(threads) threads: the process's start to the first line of metrics.jsonl.",
      try line.measured(self))
  }

  /// One run of `gemmatune train`.
  private func train(_ configuration: JSONValue) throws -> JSONObject {
    let child = try gemmatune("train", configuration, ["--quiet"])
    let file = "\(scratch)/run/metrics.jsonl"
    let rates = try lines(of: readFile(file)).map { line in
      let metrics = try JSONValue(parsing: Array(line.bytes), file: file, line: line.number).objectValue
      guard let rate = metrics?["tokens_per_second"]?.doubleValue else {
        throw Fault(.failure, file: file, line: line.number, "no tokens_per_second")
      }
      return rate
    }
    var result: JSONObject = ["peak_gigabytes": .double(child.peakBytes / 1e9)]
    result["tokens_per_second"] = steadyRate(rates).map { .double($0) }
    // The file was last written when its last line came; with one step, that is after the first.
    let written = try FileManager.default.attributesOfItem(atPath: file)[.modificationDate] as? Date
    result["first_step_seconds"] = written.map { .double($0.timeIntervalSince1970 - child.startedAt) }
    return result
  }
}

/// The median rate of all steps except for the first, which still fetches pages. Of a single step, its rate.
package func steadyRate(_ rates: [Double]) -> Double? {
  Samples(rates.count > 1 ? Array(rates.dropFirst()) : rates).median
}
