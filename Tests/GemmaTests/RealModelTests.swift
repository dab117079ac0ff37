import Files
import Foundation
import Gemma
import Tensors
import Testing

private let environment = ProcessInfo.processInfo.environment
private let realModel = environment["GEMMATUNE_REAL_MODEL"]
private let realReference = environment["GEMMATUNE_REAL_REFERENCE"]

/// A real model against transformers. Opt-in, as its weights are needed: see
/// `scripts/reference/real_model.py`.
@Suite(
  .enabled(
    if: realModel != nil && realReference != nil,
    "needs GEMMATUNE_REAL_MODEL and GEMMATUNE_REAL_REFERENCE (scripts/reference/real_model.py)"))
struct RealModelTests {
  private let kernels = CPUKernels(threads: 2)

  /// In bfloat16 roundings inside the model matter. In float32 only the order of sums differs.
  @Test(arguments: [(DType.bfloat16, "", 0.01), (.float32, "_float32", 1e-4)])
  func lossesAndTokensEqualTransformers(precision: DType, suffix: String, tolerance: Double) throws {
    let (folder, reference) = (try #require(realModel), try #require(realReference))
    let rows = try #require(try JSONValue(parsing: readFile(reference), file: reference).arrayValue)
    #expect(!rows.isEmpty)
    let model = try GemmaModel(contentsOf: folder, precision: precision)
    let decoder = GreedyDecoder(model, kernels, maxNewTokens: 20, stopIds: [1])
    for row in rows.compactMap(\.objectValue) {
      let prompt = ids(row["prompt_ids"])
      let target = ids(row["target_ids"])
      var batch = TokenBatch()
      batch.append(prompt + target, promptLength: prompt.count)
      let losses = model.loss(batch, Operations(kernels)).losses.floats
      let loss = losses.reduce(0.0) { $0 + Double($1) } / Double(losses.count)
      let expected = try #require(row["loss\(suffix)"]?.doubleValue)
      #expect(abs(loss - expected) / expected < tolerance)

      let tokens = try decoder.generate([prompt])[0].tokens
      let theirs = ids(row["greedy\(suffix)"])
      let margins = (row["greedy_margins\(suffix)"]?.arrayValue ?? []).compactMap(\.doubleValue)
      let same = zip(tokens, theirs).prefix { $0 == $1 }.count
      // Where transformers' two largest logits are this close, either token is right. Its bfloat16 logits
      // have a spacing of 0.125, and roundings inside the model move them by as much again.
      let tie = precision == .bfloat16 ? 0.25 : 1e-3
      #expect(
        same == theirs.count || margins[same] <= tie, "margin \(margins[min(same, 19)]) at token \(same)")
      print(
        "\(precision) \(row["id"]?.intValue ?? -1): loss \(loss), transformers \(expected), tokens \(same)/\(theirs.count)"
      )
    }
  }

  private func ids(_ value: JSONValue?) -> [Int32] {
    (value?.arrayValue ?? []).compactMap { $0.intValue.map(Int32.init) }
  }
}
