/// The sizes at which cases are made.
package struct CaseSizes: Sendable {
  /// Tokens of each sequence.
  package var lengths: [Int]
  /// D and F.
  package var hidden: Int, inner: Int
  /// N, K and H.
  package var heads: Int, keyValueHeads: Int, headDim: Int
  /// V and R.
  package var vocabulary: Int, rank: Int
  /// Rows of decoding steps, one case each.
  package var decodingRows = [1, 3]
  /// Keys of each row that attention decodes.
  package var decodingKeys: [Int]
  /// Weights that a decoding step meets, one a layer.
  package var layers = 2
  /// Largest query and key: larger ones make a sharper soft-max.
  package var attentionAmplitude: Float = 2
  /// Factor of the scores; nil is 1 / √H.
  package var attentionScale: Float?
  /// Soft caps of scores and of logits; nil is none.
  package var attentionSoftCap: Float?, logitSoftCap: Float?

  /// Sequences and widths; heads are N, K and H.
  package init(
    lengths: [Int], hidden: Int, inner: Int, heads: (Int, Int, Int), vocabulary: Int, rank: Int,
    decodingKeys: [Int]
  ) {
    self.lengths = lengths
    self.hidden = hidden
    self.inner = inner
    (self.heads, keyValueHeads, headDim) = heads
    self.vocabulary = vocabulary
    self.rank = rank
    self.decodingKeys = decodingKeys
  }

  /// Gemma 2B's widths except for F and V, and sequences of GSM8K's lengths.
  package static var usual: CaseSizes {
    var sizes = CaseSizes(
      lengths: [190, 1, 67, 301], hidden: 2048, inner: 4096, heads: (8, 1, 256), vocabulary: 5003, rank: 16,
      decodingKeys: [190, 1, 67, 301])
    sizes.attentionAmplitude = 1
    return sizes
  }

  /// Small and odd: a single token, primes, sizes with tensor cores and without, and rows of many blocks.
  package static let small = [
    CaseSizes(
      lengths: [1], hidden: 1, inner: 5, heads: (1, 1, 2), vocabulary: 3, rank: 1, decodingKeys: [1]),
    CaseSizes(
      lengths: [5, 1, 23], hidden: 17, inner: 40, heads: (4, 2, 20), vocabulary: 301, rank: 3,
      decodingKeys: [9, 1, 30]),
    CaseSizes(
      lengths: [17, 1, 30], hidden: 64, inner: 96, heads: (2, 1, 64), vocabulary: 131, rank: 4,
      decodingKeys: [17, 1, 30]),
    CaseSizes(
      lengths: [5, 1, 64], hidden: 256, inner: 48, heads: (4, 1, 32), vocabulary: 300, rank: 16,
      decodingKeys: [150, 3]),
    CaseSizes(
      lengths: [4, 5], hidden: 640, inner: 72, heads: (2, 2, 64), vocabulary: 67, rank: 40,
      decodingKeys: [70, 2, 33]),
  ]
  /// Small and odd, with tensor cores: one size where a whole program is tried.
  package static var quick: CaseSizes { small[2] }

  /// T.
  package var tokens: Int { lengths.reduce(0, +) }
  /// M: half of the tokens.
  package var targets: Int { (tokens + 1) / 2 }
  /// N·H.
  package var queryWidth: Int { heads * headDim }
  /// K·H.
  package var keyWidth: Int { keyValueHeads * headDim }
}
