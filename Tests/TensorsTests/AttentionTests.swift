import Foundation
import Tensors
import Testing

/// Attention in float64, one query and one key at a time, and its gradients.
private struct AttentionReference {
  var o: [Double], dQ: [Double], dK: [Double], dV: [Double]

  init(_ q: Tensor, _ k: Tensor, _ v: Tensor, dO: Tensor, _ layout: AttentionCase) {
    let inputs = [q, k, v, dO].map { $0.floats.map(Double.init) }
    o = Array(repeating: 0, count: q.count)
    dQ = o
    dK = Array(repeating: 0, count: k.count)
    dV = dK
    for segment in layout.segments {
      for query in 0..<segment.queryCount {
        for head in 0..<layout.headCount { add(segment, query, head, inputs, layout) }
      }
    }
  }

  private mutating func add(
    _ segment: AttentionSegment, _ query: Int, _ head: Int, _ inputs: [[Double]],
    _ layout: AttentionCase
  ) {
    let (q, k, v, dO) = (inputs[0], inputs[1], inputs[2], inputs[3])
    let width = layout.headDim
    let keyHead = head / (layout.headCount / layout.keyValueHeadCount)
    let position = query + segment.keyCount - segment.queryCount
    let row = ((segment.queryStart + query) * layout.headCount + head) * width
    let columns = (0..<segment.keyCount).filter {
      position - $0 >= 0 && position - $0 < layout.window ?? Int.max
    }.map { ((segment.keyStart + $0) * layout.keyValueHeadCount + keyHead) * width }
    let cap = layout.softCap.map(Double.init)
    let raw = columns.map { column in
      Double(layout.scale) * (0..<width).reduce(0.0) { $0 + q[row + $1] * k[column + $1] }
    }
    let scores = raw.map { score in cap.map { $0 * tanh(score / $0) } ?? score }
    let sum = scores.reduce(0) { $0 + exp($1) }
    let p = scores.map { exp($0) / sum }
    let dP = columns.map { column in (0..<width).reduce(0.0) { $0 + dO[row + $1] * v[column + $1] } }
    let delta = zip(p, dP).reduce(0) { $0 + $1.0 * $1.1 }
    for (j, column) in columns.enumerated() {
      let slope = cap.map { 1 - (scores[j] / $0) * (scores[j] / $0) } ?? 1
      let dRaw = p[j] * (dP[j] - delta) * slope * Double(layout.scale)
      for i in 0..<width {
        o[row + i] += p[j] * v[column + i]
        dQ[row + i] += dRaw * k[column + i]
        dK[column + i] += dRaw * q[row + i]
        dV[column + i] += p[j] * dO[row + i]
      }
    }
  }
}

/// Sequences of some lengths end to end. Each has its own keys and no cache.
private func packed(
  _ lengths: [Int], heads: Int, keyValueHeads: Int, headDim: Int, window: Int? = nil, softCap: Float? = nil
) -> AttentionCase {
  var segments: [AttentionSegment] = []
  for length in lengths {
    let start = segments.last.map { $0.queryStart + $0.queryCount } ?? 0
    segments.append(.init(queryStart: start, queryCount: length, keyStart: start, keyCount: length))
  }
  return AttentionCase(
    segments: segments, headCount: heads, keyValueHeadCount: keyValueHeads, headDim: headDim,
    scale: 1 / Float(headDim).squareRoot(), window: window, softCap: softCap)
}

/// q, k, v and dO for a layout.
private func inputs(_ layout: AttentionCase, _ dtype: DType = .float32, keyRows: Int? = nil) -> [Tensor] {
  let rows = layout.segments.map { $0.queryStart + $0.queryCount }.max() ?? 0
  let keys = keyRows ?? layout.segments.map { $0.keyStart + $0.keyCount }.max() ?? 0
  let (width, keyWidth) = (
    layout.headCount * layout.headDim, layout.keyValueHeadCount * layout.headDim
  )
  return [[rows, width], [keys, keyWidth], [keys, keyWidth], [rows, width]].enumerated().map {
    randomTensor($1, dtype, seed: UInt64($0), scale: 2)
  }
}

/// Errors of o, dQ, dK, dV against the reference.
private func errors(_ layout: AttentionCase, _ dtype: DType = .float32, keyRows: Int? = nil) -> [Double] {
  let x = inputs(layout, dtype, keyRows: keyRows)
  let reference = AttentionReference(x[0], x[1], x[2], dO: x[3], layout)
  let result = differentiated(Array(x[0..<3]), dY: x[3]) { $0.attention($1[0], $1[1], $1[2], layout) }
  let expected = [reference.o, reference.dQ, reference.dK, reference.dV]
  return zip([result.output] + result.gradients, expected).map { largestError($0, $1) }
}

struct AttentionTests {
  @Test(
    arguments: [("full", nil, nil), ("window", 4, nil), ("cap", nil, 2), ("window_cap", 4, 2)]
      as [(String, Int?, Float?)])
  func attentionEqualsTorch(name: String, window: Int?, softCap: Float?) throws {
    let fixture = try OperationFixture("attention")
    var layout = packed([9, 5], heads: 6, keyValueHeads: 2, headDim: 14, window: window, softCap: softCap)
    layout.scale = 1 / Float(17).squareRoot()
    let inputs = try [("q", 84), ("k", 28), ("v", 28)].map { try fixture.tensor($0.0, rowLength: $0.1) }
    let result = try differentiated(inputs, dY: fixture.tensor("dO", rowLength: 84)) {
      $0.attention($1[0], $1[1], $1[2], layout)
    }
    for (tensor, output) in zip([result.output] + result.gradients, ["o", "dQ", "dK", "dV"]) {
      let expected = try fixture.tensor("\(name).\(output)", rowLength: tensor.rowLength)
      #expect(largestError(tensor, expected) < float32Tolerance, "\(name).\(output)")
    }
  }

  @Test(arguments: [
    packed([1], heads: 1, keyValueHeads: 1, headDim: 2),
    packed([1, 3, 1, 2], heads: 3, keyValueHeads: 3, headDim: 8),
    packed([131, 67], heads: 4, keyValueHeads: 1, headDim: 32),
    packed([131, 67], heads: 4, keyValueHeads: 2, headDim: 32, window: 40, softCap: 1.5),
    packed([300], heads: 2, keyValueHeads: 2, headDim: 16, window: 7),
  ])
  func attentionEqualsNaiveSums(layout: AttentionCase) {
    for error in errors(layout) { #expect(error < 2 * float32Tolerance) }
  }

  @Test func bfloat16AttentionRoundsOnce() {
    // Heads that fill no panels. Larger heads round probabilities too (AttentionPairsTests).
    let layout = packed([131, 67, 1], heads: 4, keyValueHeads: 2, headDim: 24, window: 100, softCap: 3)
    for error in errors(layout, .bfloat16) { #expect(error < bfloat16Tolerance) }
  }

  /// Queries at the end of longer runs of keys. Between the runs are rows of the cache that nobody reads.
  @Test(arguments: [DType.float32, .bfloat16])
  func queriesOverACacheStandAtTheLastKey(dtype: DType) {
    var layout = packed([], heads: 6, keyValueHeads: 2, headDim: 24, window: 37, softCap: 4)
    layout.segments = [
      .init(queryStart: 0, queryCount: 1, keyStart: 3, keyCount: 59),
      .init(queryStart: 1, queryCount: 5, keyStart: 80, keyCount: 61),
      .init(queryStart: 6, queryCount: 1, keyStart: 150, keyCount: 1),
    ]
    let tolerance = dtype == .float32 ? 2 * float32Tolerance : bfloat16Tolerance
    for error in errors(layout, dtype, keyRows: 170) { #expect(error < tolerance) }
  }

  /// Decoding one query at a time reads the cache by other loops than whole sequences.
  @Test func oneQueryOverACacheEqualsTheLastRowOfTheWhole() {
    let whole = packed([50], heads: 4, keyValueHeads: 2, headDim: 16, window: 20, softCap: 2)
    let x = inputs(whole)
    let kernels = CPUKernels(threads: 1)
    let all = kernels.attentionForward(x[0], x[1], x[2], whole)
    var last = whole
    last.segments = [.init(queryStart: 0, queryCount: 1, keyStart: 0, keyCount: 50)]
    let one = kernels.attentionForward(x[0].rows(49..<50), x[1], x[2], last)
    #expect(largestError(one.o, all.o.rows(49..<50)) < float32Tolerance)
    #expect(largestError(one.logSumExp, all.logSumExp.rows(49..<50)) < float32Tolerance)
  }

  /// Decoding takes heads, keys and elements in blocks. These groups, lengths and widths leave each kind of
  /// rest.
  @Test(arguments: [(1, 80), (2, 64), (3, 18), (5, 256), (8, 34)], [DType.float32, .bfloat16])
  func oneQueryOverACacheEqualsNaiveSums(size: (group: Int, headDim: Int), dtype: DType) {
    for keys in [1, 3, 4, 9, 50] {
      var layout = packed([], heads: 2 * size.group, keyValueHeads: 2, headDim: size.headDim, softCap: 9)
      layout.segments = [.init(queryStart: 0, queryCount: 1, keyStart: 2, keyCount: keys)]
      let x = inputs(layout, dtype, keyRows: 60)
      let reference = AttentionReference(x[0], x[1], x[2], dO: x[3], layout)
      let o = CPUKernels(threads: 1).attentionForward(x[0], x[1], x[2], layout).o
      #expect(largestError(o, reference.o) < (dtype == .float32 ? 2 * float32Tolerance : bfloat16Tolerance))
    }
  }

  /// The values are one-hot by key, so the output shows which keys had weight.
  @Test func theWindowHoldsWKeysIncludingSelf() {
    let layout = packed([8], heads: 1, keyValueHeads: 1, headDim: 8, window: 3)
    let zeros = Tensor(zeros: [8, 8], .float32)
    let oneHot = Tensor((0..<64).map { $0 / 8 == $0 % 8 ? 1 : 0 }, [8, 8])
    let o = Operations(CPUKernels(threads: 1)).attention(zeros, zeros, oneHot, layout).floats
    for query in 0..<8 {
      let weights = o[query * 8..<query * 8 + 8]
      #expect(weights.indices.filter { weights[$0] > 0 }.map { $0 % 8 } == Array(max(0, query - 2)...query))
    }
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func attentionHasTheSameBitsOnAnyNumberOfThreads(dtype: DType) {
    let layout = packed([150, 3, 70, 1], heads: 4, keyValueHeads: 2, headDim: 32, window: 60, softCap: 5)
    let x = inputs(layout, dtype)
    #expect(isEqualOnAnyThreads(Array(x[0..<3]), dY: x[3]) { $0.attention($1[0], $1[1], $1[2], layout) })
  }

  @Test(arguments: [(nil, nil), (3, nil), (nil, 1.5), (3, 1.5)] as [(Int?, Float?)])
  func attentionBackwardMatchesFiniteDifferences(window: Int?, softCap: Float?) {
    let layout = packed([1, 5, 7], heads: 4, keyValueHeads: 2, headDim: 6, window: window, softCap: softCap)
    let errors = gradientErrors(of: Array(inputs(layout)[0..<3])) {
      $0.attention($1[0], $1[1], $1[2], layout)
    }
    for error in errors { #expect(error < differencesTolerance) }
  }

  @Test func sequencesOfABatchDoNotSeeEachOther() {
    let both = packed([5, 9], heads: 2, keyValueHeads: 1, headDim: 8)
    let x = inputs(both)
    let operations = Operations(CPUKernels(threads: 1))
    let second = operations.attention(
      x[0].rows(5..<14), x[1].rows(5..<14), x[2].rows(5..<14),
      packed([9], heads: 2, keyValueHeads: 1, headDim: 8))
    #expect(bits(operations.attention(x[0], x[1], x[2], both).rows(5..<14)) == bits(second))
  }
}
