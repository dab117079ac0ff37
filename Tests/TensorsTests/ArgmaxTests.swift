import Tensors
import Testing

struct ArgmaxTests {
  @Test(arguments: [1, 3, 17, 300])
  func argmaxTakesTheLowestOfEqualLogits(rows: Int) {
    // Rows 5, 4,100 and 8,200 of the table (three tiles) are equal, and the largest.
    let table = randomTensor([9001, 3], .bfloat16, seed: 1)
    for column in [5, 4100, 8200] { for k in 0..<3 { table.bfloat16[column * 3 + k] = 0x4000 } }
    let hidden = Tensor([Float](repeating: 1, count: rows * 3), [rows, 3])
    let ids = CPUKernels(threads: 2).vocabularySearch(table, searches: 1).argmax(hidden).ints
    #expect(ids == [Int32](repeating: 5, count: rows))
  }

  @Test(arguments: [1, 5, 40, 257])
  func argmaxIsThatOfTheLogits(rows: Int) {
    let (hidden, table) = (
      randomTensor([rows, 24], .bfloat16, seed: 1), randomTensor([5003, 24], .bfloat16, seed: 2)
    )
    let kernels = CPUKernels(threads: 2)
    let logits = kernels.logits(hidden, table, softCap: nil).floats
    let ids = kernels.vocabularySearch(table, searches: 1).argmax(hidden).ints
    for row in 0..<rows {
      let values = logits[row * 5003..<(row + 1) * 5003]
      let largest = values.max() ?? 0
      // Different tiles may sum in another order: one float32 unit of a logit of size 4.
      #expect(largest - values[row * 5003 + Int(ids[row])] <= 1e-6)
    }
  }

  /// Tables of 1 MiB and more are coded. Some widths are not whole units, and some rows are not whole panels.
  @Test(arguments: [1, 2, 7, 40, 300], [([4099, 128] as Shape), [2617, 201]])
  func codesChangeNoId(rows: Int, shape: Shape) {
    let hidden = randomTensor([rows, shape[1]], .bfloat16, seed: 3)
    // A few large elements widen the scale of a vector's codes, as in the residual stream of a trained model.
    for row in 0..<rows { hidden.bfloat16[row * shape[1] + 5] = roundedToBFloat16(row % 2 == 0 ? 12 : -12) }
    expectSameIds(hidden, randomTensor(shape, .bfloat16, seed: 4))
  }

  @Test func codesChangeNoIdAmongRowsThatRoundToTheSame() {
    // Every sixteenth row differs from the others of its kind by a few units in the last place of one
    // element. That is less than half a code, so bounds cannot tell these rows apart. The rows between are
    // half as large.
    let (count, width) = (4500, 128)
    let table = Tensor(uninitialized: [count, width], .bfloat16)
    for row in 0..<count {
      let size: Float = row % 16 == 3 ? 1 : 0.5
      for k in 0..<width {
        table.bfloat16[row * width + k] = roundedToBFloat16(k % 2 == 0 ? size : -size / 4)
      }
      table.bfloat16[row * width + 1] += UInt16((row * 7919) % 5)
    }
    let hidden = randomTensor([3, width], .bfloat16, seed: 6)
    for row in 0..<3 { for k in 0..<width { hidden.bfloat16[row * width + k] &= 0x7FFF } }
    expectSameIds(hidden, table)
  }

  /// Row 4,000 has the largest inner product, 49.5, from elements that are too small for the codes, which are
  /// zero. Row 7 has 20.
  @Test(arguments: [true, false])
  func whatCodesLeaveOutCounts(ofTheTable: Bool) {
    let (count, width) = (4200, 128)
    let (table, hidden) = (Tensor(zeros: [count, width], .bfloat16), Tensor(zeros: [1, width], .bfloat16))
    let (coarse, fine) = ofTheTable ? (table.rows(4000..<4001), hidden) : (hidden, table.rows(4000..<4001))
    for k in 1..<width {
      coarse.bfloat16[k] = roundedToBFloat16(0.39)
      fine.bfloat16[k] = roundedToBFloat16(1)
    }
    coarse.bfloat16[0] = roundedToBFloat16(100)
    table.bfloat16[7 * width + (ofTheTable ? 1 : 0)] = roundedToBFloat16(ofTheTable ? 20 : 0.2)
    let kernels = CPUKernels(threads: 2)
    #expect(kernels.vocabularySearch(table, searches: 99).argmax(hidden).ints == [4000])
  }

  @Test func theLowestOfEqualRowsIsTakenWithCodes() {
    let table = randomTensor([8300, 64], .bfloat16, seed: 8)
    let hidden = Tensor(uninitialized: [2, 64], .bfloat16)
    for k in 0..<64 {
      for row in [4090, 4100, 8200] { table.bfloat16[row * 64 + k] = roundedToBFloat16(k % 2 == 0 ? 3 : -3) }
      for row in 0..<2 { hidden.bfloat16[row * 64 + k] = roundedToBFloat16(k % 2 == 0 ? 1 : -1) }
    }
    let kernels = CPUKernels(threads: 2)
    #expect(kernels.vocabularySearch(table, searches: 99).argmax(hidden).ints == [4090, 4090])
  }

  @Test func vectorsOfZerosAndInfinitiesAreAsWithoutCodes() {
    let hidden = Tensor(zeros: [3, 128], .bfloat16)
    for k in 0..<128 { hidden.bfloat16[128 + k] = 0x7F80 }
    expectSameIds(hidden.rows(0..<1), randomTensor([4100, 128], .bfloat16, seed: 9))
    expectSameIds(hidden, randomTensor([4100, 128], .bfloat16, seed: 9))
  }

  @Test func aTableWithAnInfinityIsNotCoded() {
    let table = randomTensor([4100, 128], .bfloat16, seed: 10)
    #expect(isCoded(table) == hasCodes)
    table.bfloat16[4099 * 128 + 127] = 0x7F80
    #expect(!isCoded(table))
  }

  @Test func rowsWhoseSquaresAreLostAreNotCoded() {
    // All elements are about 2⁻¹⁰⁰. Their squares are zero in float32, so no bound can be made of them.
    let table = Tensor(uninitialized: [4100, 128], .bfloat16)
    for i in 0..<table.count { table.bfloat16[i] = (27 + UInt16(i % 3)) << 7 }
    #expect(!isCoded(table))
    expectSameIds(table.rows(0..<3), randomTensor([4100, 128], .bfloat16, seed: 11))
  }

  @Test func aFewSearchesDoNotRepayCodes() {
    let table = randomTensor([4100, 128], .bfloat16, seed: 10)
    #expect(!CPUVocabularySearch(table, CPUKernels(threads: 2), searches: 15).isCoded)
  }

  @Test func openBLASAloneAndOtherDtypesUseNoCodes() {
    let table = randomTensor([4100, 128], .bfloat16, seed: 10)
    #expect(!isCoded(table, CPUKernels(threads: 2, products: .openBLAS)))
    #expect(!isCoded(randomTensor([4100, 128], seed: 10)))
  }

  /// The last row of hidden holds `element`: it has no id, and the other rows keep theirs.
  @Test(arguments: [1, 3, 300], [DType.float32, .bfloat16])
  func aLogitThatIsNotFiniteLeavesNoId(rows: Int, dtype: DType) {
    // Tables of 1 MiB are coded if the processor can compare codes.
    let (count, width) = (dtype == .bfloat16 ? 4100 : 2000, 128)
    for kernels in [CPUKernels(threads: 2), CPUKernels(threads: 2, products: .openBLAS)] {
      for element in [Float.nan, .infinity, -.infinity] {
        let hidden = randomTensor([rows, width], dtype, seed: 3)
        let table = randomTensor([count, width], dtype, seed: 4)
        let clean = kernels.vocabularySearch(table, searches: 99).argmax(hidden).ints
        #expect(clean.allSatisfy { $0 >= 0 })
        hidden.set((rows - 1) * width + 77, element)
        let ids = kernels.vocabularySearch(table, searches: 99).argmax(hidden).ints
        #expect(ids == clean.dropLast() + [-1])
      }
    }
  }

  @Test(arguments: [DType.float32, .bfloat16], [Float.nan, .infinity, 3e38])
  func oneLogitOfTheVocabularyThatIsNotFiniteLeavesNoId(dtype: DType, element: Float) {
    let hidden = randomTensor([2, 64], dtype, seed: 3)
    let table = randomTensor([9001, 64], dtype, seed: 4)
    for row in 0..<2 { for k in 0..<64 { hidden.set(row * 64 + k, 4) } }
    // One row in the last of several tiles. 64 · 4 · 3e38 is more than a float32 can hold.
    for k in 0..<64 { table.set(9000 * 64 + k, -element) }
    for kernels in [CPUKernels(threads: 2), CPUKernels(threads: 2, products: .openBLAS)] {
      #expect(kernels.vocabularySearch(table, searches: 99).argmax(hidden).ints == [-1, -1])
    }
  }

  @Test func theLargestFiniteLogitsHaveAnId() {
    let hidden = Tensor([Float](repeating: 1, count: 1), [1, 1])
    let table = Tensor([-3e38, 3.4e38, 3.4e38, 0] as [Float], [4, 1])
    #expect(CPUKernels(threads: 1).vocabularySearch(table, searches: 1).argmax(hidden).ints == [1])
    let low = Tensor([Float](repeating: -3.4e38, count: 4), [4, 1])
    #expect(CPUKernels(threads: 1).vocabularySearch(low, searches: 1).argmax(hidden).ints == [0])
  }
}

extension Tensor {
  /// Writes one element.
  fileprivate func set(_ index: Int, _ value: Float) {
    if dtype == .float32 { float32[index] = value } else { bfloat16[index] = UInt16(value.bitPattern >> 16) }
  }
}

/// Whether codes are compared here: the processor needs both the instruction for them and own products.
private let hasCodes = CPUKernels.canScreen && CPUKernels(threads: 1).hasPairProducts

/// Whether a search of many calls uses codes of the table.
private func isCoded(_ table: Tensor, _ kernels: CPUKernels = CPUKernels(threads: 2)) -> Bool {
  CPUVocabularySearch(table, kernels, searches: 16).isCoded
}

/// Expects that the ids with codes, on one thread and on two, equal those without codes.
private func expectSameIds(_ hidden: Tensor, _ table: Tensor) {
  let plain = CPUKernels(threads: 2).vocabularySearch(table, searches: 1).argmax(hidden).ints
  for threads in 1...2 {
    let kernels = CPUKernels(threads: threads)
    let vocabulary = CPUVocabularySearch(table, kernels, searches: 99)
    #expect(vocabulary.isCoded == hasCodes)
    #expect(vocabulary.argmax(hidden).ints == plain)
  }
}
