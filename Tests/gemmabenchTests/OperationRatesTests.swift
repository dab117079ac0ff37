import Gemma
import KernelCases
import Testing

import gemmabench

/// Names, units and amounts of the table of operations: a change would part new tables from old ones.
@Test func operationsAreTimedAtTheModelsSizes() throws {
  let sizes = try ModelConfiguration(json: ModelShape.gemma2B.configuration, file: "config.json")
  let timed = KernelCases(CaseSizes(sizes)).timed
  #expect(timed.count == 44)
  func amount(_ text: String, _ unit: CaseWork.Unit) -> Int? {
    timed.first { $0.timedName == text && $0.work?.unit == unit }?.work.map { Int($0.amount) }
  }
  #expect(amount("linear gate, dX, 1504 x 2048 x 16384", .operations) == 2 * 1504 * 2048 * 16384)
  #expect(amount("linear gate of all layers, 16 rows, 2048 x 16384", .bytes) == 18 * 2048 * 16384 * 2)
  #expect(amount("adapter, dA, 16 x 1504 x 16384", .operations) == 2 * 1504 * 16 * 16384)
  let scores = 8 * 188 * 189 / 2
  #expect(amount("attention, backward, 8 x 188 tokens, 8 heads of 256", .operations) == 10 * 2048 * scores)
  #expect(amount("attention, decoding, 16 rows over 256 keys", .bytes) == 4 * 16 * 256 * 256)
  #expect(amount("arg max of logits, 1 row, 2048 x 256000", .bytes) == 2048 * 256_000 * 2)
  #expect(amount("scatter rows, 752 to 1504 x 2048", .bytes) == 3 * 1504 * 2048)
  #expect(amount("sum, 1504 x 2048 float32", .bytes) == 4 * 1504 * 2048)
  #expect(amount("AdamW, 8-bit moments, 16384 x 2048", .bytes) == 20 * 16384 * 2048)
}
