import Files

extension Sitting {
  /// LoRA steps of `batch` sequences of `length` tokens, each in a process of its own.
  func growthTables() throws -> [BenchmarkTable] {
    let steps = pick(full: 3, quick: 1)
    func lines(_ name: String, batch: Int, length: Int, threads: Int) throws -> [BenchmarkLine] {
      try Work(
        name: name,
        quantities: [
          .init(label: "tokens/s", key: "tokens_per_second", preference: .more),
          .init(label: "peak memory, GB", key: "peak_gigabytes", preference: .less),
        ],
        ours: {
          try one(
            measure(
              ["train-step", "--batch", "\(batch)", "--length", "\(length)", "--steps", "\(steps)"],
              threads: threads))
        }
      ).measured(self)
    }
    let note =
      "LoRA, one pass a step, bf16, gradient checkpointing; real text cut to length, the second half of each "
      + "sequence is the target; of \(steps + 1) steps the median without the first."
    return [
      BenchmarkTable(
        "Training against sequence length", note: "2,048 tokens a step, \(threads) threads. \(note)",
        try [128, 256, 512, 1024].flatMap {
          try lines("\(2048 / $0) x \($0) tokens", batch: 2048 / $0, length: $0, threads: threads)
        }),
      BenchmarkTable(
        "Training against batch, and memory against tokens",
        note: "256 tokens a sequence, \(threads) threads. \(note)",
        try [1, 4, 16].flatMap {
          try lines("\($0) x 256 = \($0 * 256) tokens", batch: $0, length: 256, threads: threads)
        }),
      BenchmarkTable(
        "Training against threads", note: "8 sequences of 256 tokens. \(note)",
        try threadCounts.flatMap {
          try lines("\($0) thread\($0 == 1 ? "" : "s")", batch: 8, length: 256, threads: $0)
        }),
      try decodingGrowthTable(),
    ]
  }

  private func decodingGrowthTable() throws -> BenchmarkTable {
    let tokens = pick(full: 64, quick: 16)
    let points =
      [1, 4, 16].map { (batch: $0, threads: threads) }
      + threadCounts.dropLast().map { (batch: 16, threads: $0) }
    return BenchmarkTable(
      "Decoding against batch and threads", note: "\(tokens) new tokens, as under Decoding.",
      try points.flatMap { point in
        try Work(
          name: "batch \(point.batch), \(point.threads) thread\(point.threads == 1 ? "" : "s")",
          quantities: [.init(label: "tokens/s", key: "tokens_per_second", preference: .more)],
          ours: {
            try one(
              measure(
                ["decode", "--batch", "\(point.batch)", "--new-tokens", "\(tokens)"],
                threads: point.threads))
          }
        ).measured(self)
      })
  }

  /// 1, and the session's number of threads.
  private var threadCounts: [Int] { threads == 1 ? [1] : [1, threads] }
}
