import Files
import Gemma
import Tensors

extension GPUSitting {
  /// The best rates of the GPU, as a table and as the ceilings of all other tables.
  func ceilings(device: String) -> (table: BenchmarkTable, ceilings: GPUCeilings) {
    let outcome = own("ceilings", limit: 60)
    var ceilings = GPUCeilings(datasheet: datasheetRate(ofGPU: device))
    var lines: [BenchmarkLine] = []
    if case .measured(let objects) = outcome {
      for object in objects {
        let line = BenchmarkLine(measured: object)
        let rate = line.ours.median.map { $0 * 1e9 }
        if line.quantity == MeasuredUnit.gigaflops.rawValue {
          ceilings.product = rate
        } else {
          ceilings.copy = rate
        }
        lines.append(line)
      }
    }
    if let reason = outcome.reason { lines = [missing("matrix product, and copy", reason)] }
    return (
      BenchmarkTable(
        "What this GPU does",
        note: "Through gemmatune's own layer. A copy counts the bytes read and those written.",
        lines), ceilings
    )
  }

  /// Full and LoRA steps, with the study's settings and without those that cost time, beside the peer.
  func trainingTable(_ sizes: ModelConfiguration, _ ceilings: GPUCeilings) -> BenchmarkTable {
    let forms: [(name: String, flags: [String])] = [
      ("without checkpointing, 16 at once", ["--merged"]), ("checkpointing, 8 x 2", ["--checkpointing"]),
    ]
    // The peer keeps no float32 copy of the weights either.
    let lean = (name: "stochastic rounding, \(forms[0].name)", flags: ["--merged", "--stochastic"])
    let lines = [("LoRA", "lora", 62.0), ("full", "full", 90)].flatMap { title, method, goal in
      let peer = peers(["train", method], limit: 150)
      return (method == "full" ? [lean] + forms : forms).flatMap { form in
        let ours = own("train", ["--method", method] + form.flags, limit: 60)
        let isFastest = form.flags.contains("--merged")
        return trainingLines(
          "\(title), \(form.name)", ours, peer, prefix: isFastest ? "" : "checkpointed_", ceilings,
          goals: isFastest ? (goal, method == "full" ? 30 : nil) : (nil, nil))
      }
    }
    return BenchmarkTable(
      "Training",
      note:
        "Optimizer steps of 16 sequences with random tokens and the lengths of GSM8K's examples (3,050 tokens a step), bf16, "
        + "8-bit AdamW, the loss on answers; full training through a float32 copy of the weights, where nothing else is said. "
        + "gemmatune packs the sequences; the peer pads 8 to their longest. The share of times is of the model's arithmetic "
        + "at the best product above.", lines)
  }

  private func trainingLines(
    _ work: String, _ ours: Outcome, _ peer: Outcome?, prefix: String, _ ceilings: GPUCeilings,
    goals: (milliseconds: Double?, gigabytes: Double?)
  ) -> [BenchmarkLine] {
    func line(
      _ label: String, _ key: String, _ preference: Preference, scale: Double = 1, goal: Goal? = nil
    ) -> BenchmarkLine {
      var line = BenchmarkLine(work, label, preference, ours.samples(key, scale: scale))
      line.peer = peer?.samples(prefix + key, scale: scale) ?? Samples([])
      line.goal = goal
      return line
    }
    var step = line("ms a step", "milliseconds", .less, goal: goals.milliseconds.map { .atMost($0) })
    if let rate = ours.samples("teraflops").median, let time = step.ours.median {
      step.ceiling = ceilings.product.map { rate * 1e12 * time / $0 }
    }
    step.remark = remark(ours, peer)
    let samples = line("samples/s", "samples_per_second", .more, goal: peer.map { _ in .advantage(2) })
    let peak = ceilings.datasheet.map { (" of \(shown($0 / 1e12)) TFLOP/s", 100e12 / $0) }
    // The peer's utilisation follows from its time for the same arithmetic.
    var use =
      peak.map { line("model-FLOP utilisation, %\($0.0)", "teraflops", .more, scale: $0.1) }
      ?? line("model TFLOP/s", "teraflops", .more)
    if let own = use.ours.median, let rate = samples.ours.median {
      use.peer = Samples(samples.peer.values.map { own * $0 / rate })
    }
    let memory = line(
      "peak device memory, GB", "device_gigabytes", .less, goal: goals.gigabytes.map { .atMost($0) })
    let lines = [step, samples, use, memory]
    return ours.reason != nil && (peer == nil || peer?.reason != nil) ? [step] : lines
  }

  /// Answers to 100 prompts at once, and to one alone.
  func decodingTable(_ work: Workload, _ sizes: ModelConfiguration, _ ceilings: GPUCeilings) -> BenchmarkTable
  {
    let all = work.prompts.count
    let floor = ceilings.floor(ModelWork(sizes).decodingBytes, .gigabytes).map { $0 * 1e3 }
    let lines = [(all, 1.0 as Double?), (1, nil)].flatMap { rows, goal in
      let ours = own("decode", ["--rows", "\(rows)"], limit: 60)
      let peer = rows == 1 ? nil : peers(["decode"], limit: 120)
      func line(_ label: String, _ key: String, _ preference: Preference) -> BenchmarkLine {
        var line = BenchmarkLine(
          rows == 1 ? "1 prompt" : "\(rows) prompts", label, preference, ours.samples(key))
        line.peer = peer?.samples(key) ?? Samples([])
        return line
      }
      var total = line("seconds", "seconds", .less)
      total.goal = goal.map { .atMost($0) }
      total.remark = remark(ours, peer)
      var step = line("ms a step, prompts included", "milliseconds_per_token", .less)
      step.ceiling = floor
      return [total, step, line("tokens/s", "tokens_per_second", .more)].filter {
        $0.remark != nil || !$0.ours.values.isEmpty || !$0.peer.values.isEmpty
      }
    }
    return BenchmarkTable(
      "Decoding",
      note:
        "Greedy, random prompts of 67 tokens on average, \(work.newTokens) new tokens each, all side by side, no early end. "
        + "The best is one reading of the weights a step.", lines)
  }

  /// From the start of the process to the end of the first LoRA step, with kernels compiled or from disk.
  func startUpTable() -> BenchmarkTable {
    let cache = ["--cache", "\(scratch)/kernels"]
    let lines = [("cold kernel cache", 20.0), ("warm kernel cache", 5.0)].flatMap { name, goal in
      let outcome = own("first-step", cache, limit: 60)
      var ready = BenchmarkLine(name, "kernels ready, s", .less, outcome.samples("kernels_seconds"))
      var first = BenchmarkLine(name, "first step done, s", .less, outcome.samples("first_step_seconds"))
      first.goal = .atMost(goal)
      ready.remark = remark(outcome, nil)
      return outcome.reason == nil ? [ready, first] : [ready]
    }
    return BenchmarkTable("Start-up", note: "LoRA on random weights that are made on the GPU.", lines)
  }

  /// The time of every operation, and the least time that it needs.
  func operationTable(_ ceilings: GPUCeilings) -> BenchmarkTable {
    let outcome = own("operations", limit: 120)
    var lines: [BenchmarkLine] = []
    if case .measured(let objects) = outcome {
      lines = objects.map { object in
        let rate = BenchmarkLine(measured: object)
        let amount = object["amount"]?.doubleValue ?? 0
        var line = BenchmarkLine(
          rate.work, "ms", .less, Samples(rate.ours.values.map { amount / $0 / 1e6 }))
        line.ceiling = MeasuredUnit(rawValue: rate.quantity).flatMap { ceilings.floor(amount, $0) }
          .map { $0 * 1e3 }
        return line
      }
    }
    if let reason = outcome.reason { lines = [missing("all operations", reason)] }
    return BenchmarkTable(
      "Operations",
      note:
        "Shapes of 16 packed sequences of 190 tokens, half of them targets, and of decoding. The best is the operation's "
        + "arithmetic at the best product, or its bytes at the best copy; what the GPU's cache holds goes beyond the latter.",
      lines)
  }

  /// How far the GPU's results are from the CPU's.
  func agreementTable() -> BenchmarkTable {
    let outcome = own("agreement", limit: 240)
    var lines: [BenchmarkLine] = []
    if case .measured(let objects) = outcome {
      lines = objects.map { object in
        var line = BenchmarkLine(
          object["work"]?.stringValue ?? "", "error, \(object["dtype"]?.stringValue ?? "")", .less,
          Samples([object["error"]?.doubleValue ?? .infinity]))
        line.goal = .atMost(1)
        return line
      }
    }
    if let reason = outcome.reason { lines = [missing("all operations", reason)] }
    return BenchmarkTable(
      "Agreement with the CPU",
      note:
        "The same inputs through both; the largest difference in units of the tolerance. float32: 1e-4 of the value and 1e-5 "
        + "of the results' size; bf16: 2⁻⁷ of the value and 2⁻⁸ of the largest; codes of 8-bit AdamW: one step in 1 of 1,000.",
      lines)
  }

  private func missing(_ work: String, _ reason: String) -> BenchmarkLine {
    var line = BenchmarkLine(work, "", .neither, Samples([]))
    line.remark = "not measured: \(reason)"
    return line
  }

  /// Why values are missing, and what the peer reports about itself.
  private func remark(_ ours: Outcome, _ peer: Outcome?) -> String? {
    let parts = [
      ours.reason.map { "not measured: \($0)" }, peer?.reason.map { "peer not measured: \($0)" },
      peer?.reason == nil ? peer?.text("remark").map { "peer: \($0)" } : nil,
    ].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }
}
