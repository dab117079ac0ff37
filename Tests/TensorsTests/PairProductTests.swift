import Foundation
import Tensors
import Testing

/// Both kinds of matrix product. On a processor without the instruction, both are OpenBLAS.
private let choices: [ProductChoice] = [.automatic, .openBLAS]

@Suite struct PairProductTests {
  /// Rows, columns, inner size: around the limits of dot products (6), lanes (16, 32, 48, 64) and panels (14
  /// and 32), and a second block of the inner size (2048).
  static let sizes = [
    [1, 37, 65], [5, 18, 33], [6, 50, 2049], [7, 16, 31], [16, 35, 1024], [17, 33, 2051], [33, 20, 63],
    [49, 17, 130], [64, 31, 4097], [65, 33, 2047], [70, 64, 4100], [85, 97, 640],
  ]

  @Test(arguments: sizes, choices)
  func bothChoicesMatchFloat64(size: [Int], choice: ProductChoice) {
    let (rows, columns, inner) = (size[0], size[1], size[2])
    let x = randomTensor([rows, inner], .bfloat16, seed: 1)
    // One element past the start, as in a mapped file: it is not even aligned to pairs.
    let storage = randomTensor([columns * inner + 1], .bfloat16, seed: 2).storage
    let weight = Tensor([columns, inner], .bfloat16, storage: storage, byteOffset: 2)
    let c = Tensor(uninitialized: [rows, columns], .float32)
    CPUKernels(threads: 2, products: choice).multiply(
      .stored(x), .transposed(weight), scale: 1, .replacing, c)
    let (left, right) = (x.floats, weight.floats)
    var worst = 0.0
    for at in 0..<c.count {
      let exact = (0..<inner).reduce(0.0) { sum, k in
        sum + Double(left[at / columns * inner + k]) * Double(right[at % columns * inner + k])
      }
      worst = max(worst, abs(exact - Double(c.float32[at])))
    }
    // K products of magnitude up to 1, 2^-24 each of a sum of size up to 2 sqrt(K), as in MatrixProductTests.
    let root = Double(inner).squareRoot()
    #expect(worst <= (1 + 2 * root) * root * 0x1p-22)
  }

  @Test(arguments: [1, 8, 20, 100], choices)
  func nonFiniteFactorsReachTheirRowsAndNoOthers(rows: Int, choice: ProductChoice) {
    let x = randomTensor([rows, 33], .bfloat16, seed: 1)
    let weight = randomTensor([40, 33], .bfloat16, seed: 2)
    weight.bfloat16[7 * 33 + 32] = 0x7FC0
    weight.bfloat16[39 * 33] = 0x7F80
    for type in [DType.float32, .bfloat16] {
      let c = Tensor(uninitialized: [rows, 40], type)
      CPUKernels(threads: 2, products: choice).multiply(
        .stored(x), .transposed(weight), scale: 1, .replacing, c)
      for (at, value) in c.floats.enumerated() {
        switch at % 40 {
        case 7: #expect(value.isNaN)
        case 39: #expect(!value.isFinite)
        default: #expect(value.isFinite)
        }
      }
    }
  }

  @Test(arguments: choices) func summaryNamesTheProducts(choice: ProductChoice) {
    let kernels = CPUKernels(threads: 2, products: choice)
    #expect(kernels.summary.contains("OpenBLAS 0."))
    #expect(kernels.summary.hasSuffix(", 2 threads"))
    #expect(
      kernels.summary.hasPrefix("own bfloat16 products (AVX512_BF16), OpenBLAS ") == kernels.hasPairProducts)
    #expect(kernels.summary.contains(" for float32, ") == kernels.hasPairProducts)
    if choice == .openBLAS { #expect(!kernels.hasPairProducts) }
  }

  @Test(arguments: [nil, 3] as [Float?])
  func crossEntropyOfPairsMatchesOpenBLAS(softCap: Float?) {
    let (hidden, table) = (
      randomTensor([67, 45], .bfloat16, seed: 1), randomTensor([1501, 45], .bfloat16, seed: 2)
    )
    let targets = Tensor((0..<67).map { Int32($0 * 977 % 1501) })
    let results = [(ProductChoice.openBLAS, 1), (.automatic, 1), (.automatic, 2), (.automatic, 3)].map {
      choice, threads in
      let options = CrossEntropyOptions(
        softCap: softCap, gradientScale: 0.3, dTable: Tensor(zeros: table.shape, .float32))
      let result = CPUKernels(threads: threads, products: choice).linearCrossEntropy(
        hidden, table, targets: targets, options)
      return [result.losses, result.dHidden, options.dTable].map { $0?.floats ?? [] }
    }
    // Logits of size 10 in float32. The gradient of the logits is rounded to bfloat16 twice, 2^-8 of each of
    // at most 0.3, in any direction; dHidden is rounded to bfloat16 too. (CrossEntropyTests has float64
    // results and full bounds.)
    #expect(zip(results[0][0], results[1][0]).allSatisfy { abs($0 - $1) < 5e-6 })
    for part in 1...2 {
      let largest = results[0][part].reduce(0) { max($0, abs($1)) }
      #expect(results[1][part].count == results[0][part].count)
      #expect(zip(results[0][part], results[1][part]).allSatisfy { abs($0 - $1) < largest * 0x1p-7 })
    }
    #expect(areEqual(results[1], results[2]))
    #expect(areEqual(results[1], results[3]))
  }
}
