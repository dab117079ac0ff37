import Files

extension Sitting {
  /// Every kernel at a training shape of the model, and this machine's best product and copy.
  func operationTables() throws -> [BenchmarkTable] {
    note("operations: ceilings")
    var ceilings = try tidily { try measure(["ceilings", "--repeats", "\(repeats)"] + quickFlag) }
      .map(BenchmarkLine.init(measured:))
    if let peer {
      note("operations: ceilings, peer")
      let rates = try tidily { try peer.measure(["product", try write(training("lora", steps: 1))], self) }
      var line = BenchmarkLine(
        "matrix product 2048 x 2048 x 2048, PyTorch bf16", MeasuredUnit.gigaflops.rawValue, .more, Samples([])
      )
      line.peer = Samples([rates["gigaflops"]?.doubleValue ?? 0])
      ceilings.append(line)
    }
    func best(_ unit: MeasuredUnit) -> Double? {
      ceilings.filter { $0.quantity == unit.rawValue && !$0.work.contains("read") }
        .flatMap { [$0.ours.median, $0.peer.median] }.compactMap { $0 }.max()
    }
    let limits = [MeasuredUnit.gigaflops: best(.gigaflops), .gigabytes: best(.gigabytes)]
    note("operations: kernels")
    let kernels = try tidily { try measure(["operations", "--repeats", "\(repeats)"] + quickFlag) }
      .map { object in
        var line = BenchmarkLine(measured: object)
        line.ceiling = MeasuredUnit(rawValue: line.quantity).flatMap { limits[$0] ?? nil }
        return line
      }
    return [
      BenchmarkTable(
        "What this machine does", note: "\(threads) threads. A copy counts the bytes read and those written.",
        ceilings),
      BenchmarkTable(
        "Operations",
        note:
          "Shapes of one pass of 8 x 188 tokens, of which half are targets, and of decoding; \(threads) threads. The "
          + "share is of the best matrix product or of the copy bandwidth above; what fits in a cache goes beyond the latter, "
          + "and so does what reads more than it writes.",
        kernels),
    ]
  }

  private var quickFlag: [String] { pick(full: [], quick: ["--quick"]) }
}

extension BenchmarkLine {
  /// The samples of a rate that `Timing.rate` measured.
  init(measured object: JSONObject) {
    self.init(
      object["work"]?.stringValue ?? "", object["unit"]?.stringValue ?? "", .more,
      Samples((object["samples"]?.arrayValue ?? []).compactMap(\.doubleValue)))
  }
}
