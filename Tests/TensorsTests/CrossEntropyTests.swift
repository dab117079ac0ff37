import Foundation
import Tensors
import Testing

@Suite struct CrossEntropyTests {
  /// Rows, vocabulary and width: one of each, primes, sizes around a tile, several groups of tiles.
  static let sizes = [
    [1, 1, 1], [1, 257, 3], [5, 7, 2], [7, 63, 5], [17, 65, 16], [3, 2100, 12], [33, 1031, 20],
  ]

  @Test(arguments: sizes, [nil, 2.5] as [Float?])
  func lossesAndGradientsMatchFloat64(size: [Int], softCap: Float?) {
    let problem = Problem(size)
    let expected = problem.expected(softCap: softCap, scale: 0.3)
    let dTable = Tensor(zeros: problem.table.shape, .float32)
    let options = CrossEntropyOptions(softCap: softCap, gradientScale: 0.3, dTable: dTable)
    let result = CPUKernels(threads: 2).linearCrossEntropy(
      problem.hidden, problem.table, targets: problem.targets, options)
    // Float32 logits of size up to 10 (2^-21), and sums of V exponentials.
    #expect(largestDifference(result.losses, expected.losses) < 5e-6)
    #expect(largestDifference(result.dHidden, expected.dHidden) < 2e-6)
    #expect(largestDifference(dTable, expected.dTable) < 2e-6)
  }

  /// Rows, vocabulary and width: one of each, whole and cut panels (14 and 32 lines), tiles of 64 to 448
  /// columns, blocks of 42 rows, and 16 groups of tiles.
  static let pairSizes = [
    [1, 1, 1], [14, 32, 4], [15, 33, 3], [29, 223, 5], [43, 449, 32], [85, 7101, 33], [97, 9001, 40],
  ]

  @Test(arguments: pairSizes, [nil, 2.5] as [Float?])
  func bfloat16LossesAndGradientsMatchFloat64(size: [Int], softCap: Float?) {
    let problem = Problem(size, .bfloat16)
    let expected = problem.expected(softCap: softCap, scale: 0.3)
    let dTable = Tensor(zeros: problem.table.shape, .float32)
    let options = CrossEntropyOptions(softCap: softCap, gradientScale: 0.3, dTable: dTable)
    let result = CPUKernels(threads: 2).linearCrossEntropy(
      problem.hidden, problem.table, targets: problem.targets, options)
    // Float32 logits of size up to 20 (2^-20), and sums of V exponentials. No bfloat16 enters the losses.
    #expect(largestDifference(result.losses, expected.losses) < 1e-5)
    // Each gradient of a logit is rounded to bfloat16 twice, by 2^-8 of it each time, and the sum of dHidden
    // once more. Errors of float32 logits and sums are less than a hundredth of that.
    let rounding = 0x1p-7 * 1.01
    let hiddenBounds = zip(expected.dHiddenSizes, expected.dHidden).map {
      $0 * rounding + abs($1) * 0x1p-8 * 1.01
    }
    #expect(largestShare(result.dHidden, expected.dHidden, of: hiddenBounds) <= 1)
    #expect(largestShare(dTable, expected.dTable, of: expected.dTableSizes.map { $0 * rounding }) <= 1)
  }

  @Test(arguments: [nil, 2.5] as [Float?])
  func lossesWithoutGradientsAreTheSame(softCap: Float?) {
    for dtype in [DType.float32, .bfloat16] {
      let problem = Problem([60, 3001, 20], dtype)
      let results = [nil, 0.3].map { scale in
        CPUKernels(threads: 2).linearCrossEntropy(
          problem.hidden, problem.table, targets: problem.targets,
          CrossEntropyOptions(softCap: softCap, gradientScale: scale))
      }
      #expect(areEqual(results[0].losses.floats, results[1].losses.floats))
      #expect(results[0].dHidden == nil)
    }
  }

  @Test(arguments: [("plain", nil), ("cap", 3)] as [(String, Float?)])
  func lossAndGradientsMatchPyTorch(name: String, softCap: Float?) throws {
    // Targets of -1 do not count: the test leaves out their rows.
    let fixture = try OperationFixture("cross_entropy")
    let targets = try fixture.tensor("targets").ints
    let rows = targets.indices.filter { targets[$0] >= 0 }
    #expect(rows.count == 8)
    let result = differentiated(
      [try fixture.tensor("hidden"), try fixture.tensor("embedding")], dY: Tensor([1], [1])
    ) { operations, x in
      let hidden = operations.gather(x[0], rows: Tensor(rows.map(Int32.init)))
      let chosen = Tensor(rows.map { targets[$0] })
      return operations.linearCrossEntropy(hidden, x[1], targets: chosen, softCap: softCap, gradientScale: 1)
        .lossSum
    }
    #expect(largestError(result.output, try fixture.tensor("\(name).loss_sum")) < float32Tolerance)
    #expect(largestError(result.gradients[0], try fixture.tensor("\(name).dHidden")) < 2 * float32Tolerance)
    #expect(
      largestError(result.gradients[1], try fixture.tensor("\(name).dEmbedding")) < 2 * float32Tolerance)
  }

  @Test func gradientsMatchFiniteDifferences() {
    let problem = Problem([5, 70, 4])
    for softCap in [nil, 2] as [Float?] {
      let errors = gradientErrors(of: [problem.hidden, problem.table]) { operations, x in
        operations.linearCrossEntropy(
          x[0], x[1], targets: problem.targets, softCap: softCap, gradientScale: 1
        )
        .lossSum
      }
      // The sum, about 20, is a float32. 2^-20 over a step of 0.02, times 1.5 for the four values, is 7e-5.
      #expect(errors.allSatisfy { $0 < 4e-4 }, "\(errors)")
    }
  }

  @Test func bitsDoNotDependOnTheNumberOfThreads() {
    let problem = Problem([33, 3001, 20])
    let results = [1, 2, 3].map { threads in
      let dTable = Tensor(zeros: problem.table.shape, .float32)
      let options = CrossEntropyOptions(softCap: 3, gradientScale: 0.3, dTable: dTable)
      let result = CPUKernels(threads: threads).linearCrossEntropy(
        problem.hidden, problem.table, targets: problem.targets, options)
      return [result.losses.floats, result.dHidden?.floats ?? [], dTable.floats]
    }
    #expect(areEqual(results[0], results[1]))
    #expect(areEqual(results[0], results[2]))
  }

  @Test func severalChunksGiveWhatTheirPartsGive() {
    // 2^25 / 1,009 allows at most 33,255 rows in a chunk: three chunks of at most 23,334, against four calls
    // of one chunk each.
    let problem = Problem([70_001, 1009, 2])
    let kernels = CPUKernels(threads: 2)
    let (dWhole, dParts) = (Tensor(zeros: [1009, 2], .float32), Tensor(zeros: [1009, 2], .float32))
    let whole = kernels.linearCrossEntropy(
      problem.hidden, problem.table, targets: problem.targets,
      CrossEntropyOptions(gradientScale: 1, dTable: dWhole))
    for start in stride(from: 0, to: 70_001, by: 20_000) {
      let rows = start..<min(70_001, start + 20_000)
      let part = kernels.linearCrossEntropy(
        problem.hidden.rows(rows), problem.table, targets: problem.targets.rows(rows),
        CrossEntropyOptions(gradientScale: 1, dTable: dParts))
      // Tiles of another height may round differently: a few float32 units of losses up to 10.
      #expect(largestDifference(part.losses, whole.losses.rows(rows).floats.map(Double.init)) < 5e-6)
      #expect(largestDifference(part.dHidden, whole.dHidden?.rows(rows).floats.map(Double.init) ?? []) < 1e-6)
    }
    // Sums of 70,001 shares of size up to 1, in another order: at most 2^-24 · 70 · sqrt(70,001).
    #expect(largestDifference(dWhole, dParts.floats.map(Double.init)) < 1e-3)
  }

  @Test func severalChunksOfBFloat16GiveWhatTheirPartsGive() throws {
    // 5 · 2^25 / (2 · 100,032) allows at most 838 rows, or 59 panels of 14, in a chunk: two chunks, of 672
    // rows and 671.
    let problem = Problem([1343, 100_003, 2], .bfloat16)
    let kernels = CPUKernels(threads: 2)
    let (dWhole, dParts) = (Tensor(zeros: [100_003, 2], .float32), Tensor(zeros: [100_003, 2], .float32))
    let whole = kernels.linearCrossEntropy(
      problem.hidden, problem.table, targets: problem.targets,
      CrossEntropyOptions(gradientScale: 1, dTable: dWhole))
    for rows in [0..<672, 672..<1343] {
      let part = kernels.linearCrossEntropy(
        problem.hidden.rows(rows), problem.table, targets: problem.targets.rows(rows),
        CrossEntropyOptions(gradientScale: 1, dTable: dParts))
      let (losses, dHidden) = (whole.losses.rows(rows), try #require(whole.dHidden).rows(rows))
      // The chunks of OpenBLAS begin elsewhere, so tiles differ in height: float32 units of the losses, and
      // one rounding to bfloat16 of gradients of size up to 2.
      let isExact = kernels.hasPairProducts
      #expect(largestDifference(part.losses, losses.floats.map(Double.init)) <= (isExact ? 0 : 5e-6))
      #expect(largestDifference(part.dHidden, dHidden.floats.map(Double.init)) <= (isExact ? 0 : 0x1p-7))
    }
    // Sums of 1,343 shares of size up to 1, in another order: at most 2^-24 · 1,343.
    let largest = largestDifference(dWhole, dParts.floats.map(Double.init))
    #expect(largest <= (kernels.hasPairProducts ? 0 : 8e-5))
  }

  @Test func keptLogitsAreAtMost128MiBAndWeights160MiB() {
    // 128 rows of 4 bytes, or 308 rows (22 panels of 14) of 2 bytes.
    let sizes: [(DType, rows: Int, bytes: Int)] = [
      (.float32, 100, 4 * 100 << 18), (.float32, 5000, 4 * 128 << 18), (.bfloat16, 100, 4 * 100 << 18),
      (.bfloat16, 300, 2 * 300 << 18), (.bfloat16, 5000, 2 * 308 << 18),
    ]
    for (dtype, rows, bytes) in sizes {
      #expect(CPUKernels.logitBytes(rows: rows, vocabulary: 1 << 18, dtype) == bytes)
    }
    #expect(CPUKernels.logitBytes(rows: 3, vocabulary: 11, .bfloat16) == 3 * 2 * 32)
    #expect(CPUKernels.logitBytes(rows: 3, vocabulary: 11, .float32) == 3 * 4 * 11)
  }

  @Test func largeLogitsNeitherOverflowNorVanish() {
    let hidden = Tensor([300, -300], [2, 1])
    let result = CPUKernels(threads: 1).linearCrossEntropy(
      hidden, Tensor([1, -1, 0], [3, 1]), targets: Tensor([0, 0]), CrossEntropyOptions(gradientScale: 1))
    #expect(result.losses.floats == [0, 600])
    #expect(result.dHidden?.floats == [0, -2])
  }

  @Test func lossSumIsAddedInFloat64AndTheTableLeftAloneWithoutATape() {
    let problem = Problem([33, 70, 4])
    let (sum, losses) = Operations(CPUKernels(threads: 1)).linearCrossEntropy(
      problem.hidden, problem.table, targets: problem.targets, softCap: nil, gradientScale: 1)
    #expect(sum.floats == [Float(losses.floats.reduce(0.0) { $0 + Double($1) })])
    #expect(sum.node == nil)
  }
}

private func largestDifference(_ actual: Tensor?, _ expected: [Double]) -> Double {
  guard let actual, actual.count == expected.count else { return .infinity }
  return zip(actual.floats, expected).map { abs(Double($0) - $1) }.max { $1.isNaN || $0 < $1 } ?? 0
}

/// The largest difference, as a share of its bound.
private func largestShare(_ actual: Tensor?, _ expected: [Double], of bounds: [Double]) -> Double {
  guard let actual, actual.count == expected.count else { return .infinity }
  return zip(zip(actual.floats, expected), bounds).map { pair, bound in
    let difference = abs(Double(pair.0) - pair.1)
    return difference == 0 ? 0 : difference / bound
  }.max { $1.isNaN || $0 < $1 } ?? 0
}

/// The float64 results, and for each element of a gradient the sum of its products' magnitudes.
private struct Expected {
  var losses: [Double] = []
  var dHidden: [Double], dHiddenSizes: [Double], dTable: [Double], dTableSizes: [Double]
}

/// Random hidden rows, table and targets, and the float64 results.
private struct Problem {
  let hidden: Tensor, table: Tensor, targets: Tensor

  init(_ size: [Int], _ dtype: DType = .float32) {
    hidden = randomTensor([size[0], size[2]], dtype, seed: 1)
    table = randomTensor([size[1], size[2]], dtype, seed: 2)
    let key = RandomKey(seed: 3, stream: 0)
    targets = Tensor((0..<size[0]).map { Int32(key.below(size[1], at: UInt64($0))) })
  }

  func expected(softCap: Float?, scale: Double) -> Expected {
    let (rows, vocabulary, width) = (hidden.shape[0], table.shape[0], table.shape[1])
    let (h, t, ids) = (hidden.floats.map(Double.init), table.floats.map(Double.init), targets.ints)
    let (hZeros, tZeros) = (h.map { _ in 0.0 }, t.map { _ in 0.0 })
    var result = Expected(dHidden: hZeros, dHiddenSizes: hZeros, dTable: tZeros, dTableSizes: tZeros)
    for row in 0..<rows {
      var slopes = [Double](repeating: 1, count: vocabulary)
      let logits = (0..<vocabulary).map { v -> Double in
        let logit = (0..<width).reduce(0.0) { $0 + h[row * width + $1] * t[v * width + $1] }
        guard let softCap else { return logit }
        let bent = tanh(logit / Double(softCap))
        slopes[v] = 1 - bent * bent
        return Double(softCap) * bent
      }
      let sum = logits.reduce(0) { $0 + exp($1) }
      result.losses.append(log(sum) - logits[Int(ids[row])])
      for v in 0..<vocabulary {
        let share = scale * slopes[v] * (exp(logits[v]) / sum - (v == Int(ids[row]) ? 1 : 0))
        for k in 0..<width {
          let (dHidden, dTable) = (share * t[v * width + k], share * h[row * width + k])
          result.dHidden[row * width + k] += dHidden
          result.dHiddenSizes[row * width + k] += abs(dHidden)
          result.dTable[v * width + k] += dTable
          result.dTableSizes[v * width + k] += abs(dTable)
        }
      }
    }
    return result
  }
}
