import Foundation
import Tensors
import Testing

/// An output in float64, and for each element the sum of the absolute values of the products with a rounded
/// factor.
private struct RoundedSums {
  var values: [Double], magnitudes: [Double]

  init(count: Int) {
    values = Array(repeating: 0, count: count)
    magnitudes = values
  }

  mutating func add(_ at: Int, _ product: Double) {
    values[at] += product
    magnitudes[at] += abs(product)
  }

  /// The largest error of the elements, each in units of the allowed error. A rounded factor is off by at
  /// most 2^-8 of itself, and so is the rounded result. Float32's own errors are within 1e-5 of the largest
  /// element.
  func largestShare(_ actual: Tensor) -> Double {
    let most = values.reduce(0) { max($0, abs($1)) }
    let shares = actual.floats.enumerated().map { i, value in
      let allowed = 0x1p-8 * (abs(values[i]) + magnitudes[i]) + 1e-5 * most
      let error = abs(Double(value) - values[i])
      return error.isNaN ? .infinity : error / allowed
    }
    return shares.max() ?? .infinity
  }
}

/// Attention in float64 of the bfloat16 inputs q, k, v, dO, and its gradients. Probabilities and the
/// gradients of scores are rounded to bfloat16 before they enter a product.
private struct PairsReference {
  var o: RoundedSums, dQ: RoundedSums, dK: RoundedSums, dV: RoundedSums

  init(_ inputs: [Tensor], _ layout: AttentionCase) {
    let x = inputs.map { $0.floats.map(Double.init) }
    (o, dQ) = (RoundedSums(count: x[0].count), RoundedSums(count: x[0].count))
    (dK, dV) = (RoundedSums(count: x[1].count), RoundedSums(count: x[1].count))
    for segment in layout.segments {
      for query in 0..<segment.queryCount {
        for head in 0..<layout.headCount { add(segment, query, head, x, layout) }
      }
    }
  }

  private mutating func add(
    _ segment: AttentionSegment, _ query: Int, _ head: Int, _ x: [[Double]], _ layout: AttentionCase
  ) {
    let (q, k, v, d) = (x[0], x[1], x[2], x[3])
    let width = layout.headDim
    let position = query + segment.keyCount - segment.queryCount
    let row = ((segment.queryStart + query) * layout.headCount + head) * width
    let columns = (max(0, position + 1 - (layout.window ?? position + 1))...position).map {
      ((segment.keyStart + $0) * layout.keyValueHeadCount
        + head / (layout.headCount / layout.keyValueHeadCount)) * width
    }
    let (scale, cap) = (Double(layout.scale), layout.softCap.map(Double.init))
    let scores = columns.map { column in
      let score = scale * (0..<width).reduce(0.0) { $0 + q[row + $1] * k[column + $1] }
      return cap.map { $0 * tanh(score / $0) } ?? score
    }
    let most = scores.max() ?? 0
    let sum = scores.reduce(0) { $0 + exp($1 - most) }
    let p = scores.map { exp($0 - most) / sum }
    let dP = columns.map { column in (0..<width).reduce(0.0) { $0 + d[row + $1] * v[column + $1] } }
    let delta = zip(p, dP).reduce(0) { $0 + $1.0 * $1.1 }
    for (j, column) in columns.enumerated() {
      let slope = cap.map { 1 - (scores[j] / $0) * (scores[j] / $0) } ?? 1
      let dRaw = p[j] * (dP[j] - delta) * slope * scale
      for i in 0..<width {
        o.add(row + i, p[j] * v[column + i])
        dQ.add(row + i, dRaw * k[column + i])
        dK.add(column + i, dRaw * q[row + i])
        dV.add(column + i, p[j] * d[row + i])
      }
    }
  }
}

private func layout(
  _ segments: [(queries: Int, keys: Int)], heads: Int, keyValueHeads: Int, headDim: Int, window: Int? = nil,
  softCap: Float? = nil
) -> AttentionCase {
  var (runs, query, key) = ([AttentionSegment](), 0, 0)
  for segment in segments {
    runs.append(
      .init(queryStart: query, queryCount: segment.queries, keyStart: key, keyCount: segment.keys))
    // Rows of keys between the runs, which nobody reads.
    (query, key) = (query + segment.queries, key + segment.keys + (segment.keys > segment.queries ? 3 : 0))
  }
  return AttentionCase(
    segments: runs, headCount: heads, keyValueHeadCount: keyValueHeads, headDim: headDim,
    scale: 1 / Float(headDim).squareRoot(), window: window, softCap: softCap)
}

/// q, k, v and dO.
private func inputs(_ layout: AttentionCase) -> [Tensor] {
  let rows = layout.segments.map { $0.queryStart + $0.queryCount }.max() ?? 0
  let keys = layout.segments.map { $0.keyStart + $0.keyCount }.max() ?? 0
  let (width, keyWidth) = (layout.headCount * layout.headDim, layout.keyValueHeadCount * layout.headDim)
  return [[rows, width], [keys, keyWidth], [keys, keyWidth], [rows, width]].enumerated().map {
    randomTensor($1, .bfloat16, seed: UInt64($0), scale: 3)
  }
}

/// Heads of whole panels of 32 elements. Processors with AVX512_BF16 compute their attention by products of
/// pairs.
struct AttentionPairsTests {
  /// Groups of 1, 3, 4 and 8 heads. Tiles and panels are full, leave a rest, or leave an odd row.
  @Test(arguments: [
    layout([(1, 1), (2, 2), (3, 3)], heads: 1, keyValueHeads: 1, headDim: 32),
    layout([(67, 67), (1, 1), (31, 31)], heads: 4, keyValueHeads: 1, headDim: 64),
    layout([(131, 131), (20, 20)], heads: 2, keyValueHeads: 1, headDim: 64, window: 40, softCap: 1.5),
    layout([(240, 240)], heads: 2, keyValueHeads: 2, headDim: 96, window: 7),
    layout([(45, 45)], heads: 3, keyValueHeads: 1, headDim: 128, softCap: 4),
    layout([(33, 33)], heads: 8, keyValueHeads: 1, headDim: 256, window: 20),
    layout([(1, 59), (5, 71), (40, 41), (1, 1)], heads: 6, keyValueHeads: 2, headDim: 64, window: 37),
  ])
  func attentionIsAsGoodAsItsRoundedFactors(layout: AttentionCase) {
    let x = inputs(layout)
    let reference = PairsReference(x, layout)
    let result = differentiated(Array(x[0..<3]), dY: x[3]) { $0.attention($1[0], $1[1], $1[2], layout) }
    #expect(reference.o.largestShare(result.output) < 1)
    let expected = [reference.dQ, reference.dK, reference.dV]
    for (tensor, sums) in zip(result.gradients, expected) { #expect(sums.largestShare(tensor) < 1) }
  }

  @Test func attentionInPairsHasTheSameBitsOnAnyNumberOfThreads() {
    let layout = layout(
      [(150, 150), (3, 3), (70, 70), (1, 1)], heads: 4, keyValueHeads: 2, headDim: 64, window: 60, softCap: 5)
    let x = inputs(layout)
    #expect(isEqualOnAnyThreads(Array(x[0..<3]), dY: x[3]) { $0.attention($1[0], $1[1], $1[2], layout) })
  }

  /// Log-sum-exp has no rounded factor.
  @Test func logSumExpOfPairsIsThatOfFloat32() {
    let layout = layout(
      [(77, 90), (30, 30)], heads: 4, keyValueHeads: 2, headDim: 64, window: 50, softCap: 5)
    let x = inputs(layout)
    let wide = x.map { Tensor($0.floats, $0.shape) }
    let kernels = CPUKernels(threads: 2)
    let expected = kernels.attentionForward(wide[0], wide[1], wide[2], layout).logSumExp
    #expect(
      largestError(kernels.attentionForward(x[0], x[1], x[2], layout).logSumExp, expected)
        < 2 * float32Tolerance)
  }

  @Test func sequencesOfABatchInPairsDoNotSeeEachOther() {
    let both = layout([(35, 35), (29, 29)], heads: 2, keyValueHeads: 1, headDim: 64)
    let alone = layout([(29, 29)], heads: 2, keyValueHeads: 1, headDim: 64)
    let x = inputs(both)
    let second = x.map { $0.rows(35..<64) }
    let all = differentiated(Array(x[0..<3]), dY: x[3]) { $0.attention($1[0], $1[1], $1[2], both) }
    let one = differentiated(Array(second[0..<3]), dY: second[3]) {
      $0.attention($1[0], $1[1], $1[2], alone)
    }
    for (whole, part) in zip([all.output] + all.gradients, [one.output] + one.gradients) {
      #expect(bits(whole.rows(35..<64)) == bits(part))
    }
  }

  /// A wrong corner of a product may hide within a tolerance, but not where all other values are zero.
  @Test func theWindowInPairsHoldsWKeysIncludingSelf() {
    let layout = layout([(64, 64)], heads: 1, keyValueHeads: 1, headDim: 64, window: 35)
    let zeros = bfloat16(Tensor(zeros: [64, 64], .float32))
    let oneHot = bfloat16(Tensor((0..<4096).map { $0 / 64 == $0 % 64 ? 1 : 0 }, [64, 64]))
    let o = Operations(CPUKernels(threads: 1)).attention(zeros, zeros, oneHot, layout).floats
    for query in 0..<64 {
      let seen = (0..<64).filter { o[query * 64 + $0] > 0 }
      #expect(seen == Array(max(0, query - 34)...query))
    }
  }
}
