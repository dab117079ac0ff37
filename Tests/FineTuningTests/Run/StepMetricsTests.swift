import Files
import Tensors
import Testing
import FineTuning

@Suite struct StepMetricsTests {
  private let metrics = StepMetrics(
    step: 3, epoch: 0.25, loss: 1.5, learningRate: 1e-5, gradientNorm: 2.5, changedShare: 0.125, tokens: 64,
    targetTokens: 32, samples: 4, stepSeconds: 0.5, peakMemoryBytes: 4096)

  @Test func lineHasItsKeysInOrder() {
    #expect(
      metrics.json.text() == """
        {"step":3,"epoch":0.25,"loss":1.5,"learning_rate":1e-05,"gradient_norm":2.5,"changed_share":0.125,\
        "tokens":64,"target_tokens":32,"samples":4,"step_seconds":0.5,"samples_per_second":8.0,\
        "tokens_per_second":128.0,"peak_memory_bytes":4096}
        """)
  }

  /// The step on a line of text.
  private func step(_ text: String) throws -> StepMetrics {
    try StepMetrics(JSONFields((number: 1, bytes: Array(text.utf8)[...]), file: "m"))
  }

  @Test func lineReadsBack() throws { #expect(try step(metrics.json.text()) == metrics) }

  @Test func numberThatIsNotFiniteIsNull() throws {
    var diverged = metrics
    diverged.loss = .infinity
    #expect(diverged.json.objectValue?["loss"] == .null)
    #expect(try step(diverged.json.text()).loss.isNaN)
  }

  @Test func olderLineDoesNotSayTheChangedShare() throws {
    let older = try step(metrics.json.text().replacing("\"changed_share\":0.125,", with: ""))
    #expect(older.changedShare.isNaN && older.peakMemoryBytes == 4096)
  }

  @Test func columnsOfTheTableAreTheKeysOfTheLine() {
    let keys = metrics.json.objectValue?.members.map(\.key)
    #expect(StepMetrics.columns([metrics]).map(\.name) == keys)
  }

  @Test func tableHoldsTheValuesOfTheLines() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml").status == 0)
    // The rows of the compound dataset lie end to end, 8 bytes a value.
    let counts = ["step", "tokens", "target_tokens", "samples", "peak_memory_bytes"]
    let rows: [UInt8] = try workspace.objects("runs/run/metrics.jsonl").flatMap { row in
      try row.members.flatMap { key, value in
        let bits =
          counts.contains(key)
          ? UInt64(try wanted(value.intValue)) : try wanted(value.doubleValue).bitPattern
        return (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
      }
    }
    let table = try workspace.bytes("runs/run/metrics.h5")
    #expect(rows.count == 3 * 13 * 8)
    #expect(table.indices.contains { table[$0...].starts(with: rows) })
  }
}
