/// Counter-based random numbers. The value at (seed, stream, index) does not depend on earlier draws, so a
/// resumed run, a recomputed block and any number of threads see the same values.
///
/// Three rounds of SplitMix64's finaliser mix the three words. Source: Steele, Lea & Flood 2014.
package struct RandomKey: Sendable, Equatable {
  /// The mixed word that, with an index, gives a value.
  package let word: UInt64

  /// The key of one stream of one seed. Purpose, step, layer and so on tell streams apart.
  package init(seed: UInt64, stream: UInt64) {
    word = Self.mixed(Self.mixed(seed) ^ (stream &* 0x9E37_79B9_7F4A_7C15))
  }

  /// A key derived from this one, for a part of its stream.
  package func derived(_ part: UInt64) -> RandomKey { RandomKey(seed: word, stream: part) }

  /// 64 random bits at `index`. `ck_random` of CKernels gives the same bits.
  package func bits(at index: UInt64) -> UInt64 { Self.mixed(word &+ index &* 0x9E37_79B9_7F4A_7C15) }

  /// A float in [0, 1) at `index`, with 24 random bits.
  package func uniform(at index: UInt64) -> Float { Float(bits(at: index) >> 40) * 0x1p-24 }

  /// A number below `bound` at `index`: the high word of a product. Its bias is at most 1 in 2^64 / bound.
  package func below(_ bound: Int, at index: UInt64) -> Int {
    Int(bits(at: index).multipliedFullWidth(by: UInt64(bound)).high)
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
