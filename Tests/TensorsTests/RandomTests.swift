import Tensors
import Testing

struct RandomTests {
  /// Values of an independent implementation with Python's integers.
  @Test func bitsAreTheFinaliserOfTheWords() {
    let key = RandomKey(seed: 42, stream: 7)
    let expected: [UInt64] = [
      0xf428_dc92_8ae7_f3a4, 0xcbe7_dec9_d07b_d439, 0x4204_5b6a_9256_3562, 0xe4d3_71e6_d471_7bdf,
    ]
    #expect([0, 1, 2, 1 << 40].map { key.bits(at: $0) } == expected)
    #expect(key.derived(3).bits(at: 5) == 0xb588_067d_16e4_a42c)
  }

  @Test func streamsOfASeedDiffer() {
    let words = (0..<1000).map { RandomKey(seed: 1, stream: $0).word } + [RandomKey(seed: 2, stream: 0).word]
    #expect(Set(words).count == 1001)
  }

  /// 60,000 draws in ten parts: one standard deviation of a part's count is 73.
  @Test func uniformNumbersFillTheirRangeEvenly() {
    let key = RandomKey(seed: 5, stream: 1)
    var counts = Array(repeating: 0, count: 10)
    for i in 0..<60000 {
      let value = key.uniform(at: UInt64(i))
      #expect(value >= 0 && value < 1)
      counts[Int(value * 10)] += 1
    }
    #expect(counts.allSatisfy { abs($0 - 6000) < 400 })
  }

  @Test func numbersBelowABoundReachAllOfThem() {
    let key = RandomKey(seed: 5, stream: 2)
    let drawn = (0..<500).map { key.below(7, at: UInt64($0)) }
    #expect(Set(drawn) == Set(0..<7))
    #expect(key.below(1, at: 3) == 0)
  }
}
