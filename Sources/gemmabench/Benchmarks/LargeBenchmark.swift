import Files

extension Sitting {
  /// A random model of Gemma 2B's shape: it is opened, takes one LoRA step and decodes ten tokens.
  func largeTable() throws -> BenchmarkTable {
    let folder = "\(scratch)/gemma-2b-shaped"
    note("large: writing 5 GB of random weights")
    _ = try runChild(
      [gemmabench, "random-model", "--like", "gemma-2b", "--tokenizer", "\(tiny)/model", folder],
      scratch: scratch)
    // For this work the scratch folder must outlive one measurement. Its repeats measure the same file.
    var results: [JSONObject] = []
    for turn in 1...max(1, repeats) {
      note("large: \(turn) of \(repeats)")
      results.append(try one(measure(["large"], model: folder)))
    }
    func line(
      _ work: String, _ quantity: String, _ key: String, _ preference: Preference, _ goal: Goal?
    ) -> BenchmarkLine {
      let values = results.compactMap { $0[key]?.doubleValue }
      var line = BenchmarkLine(work, quantity, preference, Samples(values))
      line.goal = goal
      return line
    }
    return BenchmarkTable(
      "Gemma 2B's shape",
      note:
        "2,506,172,416 random bf16 weights, 5 GB of safetensors just written; one process does all of it, "
        + "\(threads) threads.",
      [
        line("opening the model", "seconds", "open_seconds", .less, .atMost(1)),
        line("one LoRA step of 2 x 256 tokens", "seconds", "step_seconds", .less, nil),
        line("ten decoded tokens", "seconds", "decode_seconds", .less, nil),
        line("SHA-256 of the weights' files", "GB/s", "hash_rate", .more, nil),
        line("all of it", "peak memory, GB", "peak_gigabytes", .less, .atMost(12)),
      ])
  }
}
