import Files

extension Sitting {
  /// Greedy decoding of a batch.
  func decodingTable() throws -> BenchmarkTable {
    let tokens = pick(full: 64, quick: 16)
    let batches: [(size: Int, goal: Double)] = [(1, 2), (16, 4)]
    return BenchmarkTable(
      "Decoding",
      note:
        "\(tokens) new tokens for each of GSM8K's first test questions, bf16, \(threads) threads, no early end; the "
        + "prompts' own pass counts, loading and one warm-up do not.",
      try batches.flatMap { batch in
        let arguments = ["decode", "--batch", "\(batch.size)", "--new-tokens", "\(tokens)"]
        return try Work(
          name: "batch \(batch.size)",
          quantities: [
            .init(
              label: "tokens/s", key: "tokens_per_second", preference: .more, goal: .advantage(batch.goal)),
            .init(label: "peak memory, GB", key: "peak_gigabytes", preference: .less),
          ],
          ours: { try one(measure(arguments)) },
          peer: { peer in
            // The peer reads its paths from the same file as for other work.
            try peer.measure(
              ["decode", write(evaluation(items: batch.size, maxNewTokens: tokens))] + arguments.dropFirst(),
              self)
          }
        ).measured(self)
      })
  }

  /// One whole `gemmatune eval`.
  func evaluationTable() throws -> BenchmarkTable {
    let (items, tokens) = pick(full: (100, 256), quick: (16, 32))
    let configuration = evaluation(items: items, maxNewTokens: tokens)
    return BenchmarkTable(
      "Evaluation",
      note:
        "GSM8K's first \(items) test questions after one worked example, batches of 16, at most \(tokens) new tokens, "
        + "each answer ended at its first digit 3 so that lengths differ; the whole command, \(threads) threads.",
      try Work(
        name: "\(items) items, start to finish",
        quantities: [
          .init(label: "seconds", key: "seconds", preference: .less, goal: .advantage(5)),
          .init(label: "peak memory, GB", key: "peak_gigabytes", preference: .less),
          .init(label: "tokens an answer", key: "mean_tokens", preference: .neither),
        ],
        ours: {
          let child = try gemmatune("eval", configuration, ["--json", "--quiet"])
          let summary = try JSONValue(parsing: child.output, file: "gemmatune eval").objectValue
          return [
            "seconds": .double(child.seconds), "peak_gigabytes": .double(child.peakBytes / 1e9),
            "mean_tokens": summary?["mean_tokens"] ?? .null,
          ]
        },
        peer: { try $0.measure(["evaluate", write(configuration)], self) }
      ).measured(self))
  }

  /// The tokenizer on all training examples.
  func tokenizerTable() throws -> BenchmarkTable {
    BenchmarkTable(
      "Tokenizer",
      note:
        "Prompt and answer of every example of train.jsonl, one thread; reading the files does not count.",
      try Work(
        name: "encoding all training examples",
        quantities: [
          .init(label: "seconds", key: "seconds", preference: .less, goal: .atMost(1)),
          .init(label: "tokens/s", key: "tokens_per_second", preference: .more),
        ],
        ours: { try one(measure(["tokenize"])) }
      ).measured(self))
  }

  /// The only result of a measurement; a fault where there is another number of results.
  func one(_ results: [JSONObject]) throws -> JSONObject {
    guard results.count == 1, let result = results.first else {
      throw Fault(.failure, "gemmabench measure: \(results.count) results; expected one")
    }
    return result
  }
}
