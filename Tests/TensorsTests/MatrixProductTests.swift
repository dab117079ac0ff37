import Foundation
import Tensors
import Testing

@Suite struct MatrixProductTests {
  /// Rows, columns and inner size: odd sizes, primes, one below and above tiles and vectors, thin products.
  static let sizes = [
    [1, 1, 1], [1, 7, 5], [3, 5, 17], [16, 33, 15], [17, 31, 16], [13, 67, 129], [65, 63, 33], [129, 65, 17],
    [70, 131, 31], [1, 130, 240], [15, 19, 67], [200, 16, 20], [40, 130, 16], [2, 1, 300], [64, 70, 33],
  ]
  static let dtypes: [DType] = [.float32, .bfloat16]

  @Test(arguments: sizes, dtypes)
  func productsOfAllKindsMatchFloat64(size: [Int], aType: DType) {
    for bType in Self.dtypes {
      for transposes in 0..<4 {
        let product = Product(size, aType, bType, transposes)
        let exact = product.exact
        for cType in Self.dtypes {
          for store in [Store.replacing, .adding] {
            let start = randomTensor([size[0], size[1]], cType, seed: 3)
            let error = product.error(from: exact, start, store)
            #expect(
              error <= product.tolerance(cType), "\(size) \(aType) \(bType) \(cType) \(transposes) \(store)")
          }
        }
      }
    }
  }

  @Test(arguments: [
    [500, 640, 60], [33, 2048, 64], [16, 640, 500], [700, 16, 640], [5, 3000, 240], [90, 50, 30],
  ])
  func bitsDoNotDependOnTheNumberOfThreads(size: [Int]) {
    for transposes in 0..<4 {
      let product = Product(size, .bfloat16, .bfloat16, transposes)
      for cType in Self.dtypes {
        let start = randomTensor([size[0], size[1]], cType, seed: 3)
        let results = [1, 2, 3].map { product.computed(start, .adding, threads: $0) }
        #expect(bits(results[1]) == bits(results[0]))
        #expect(bits(results[2]) == bits(results[0]))
      }
    }
  }

  @Test func rowsOfALargeFactorAreWidenedBlockByBlock() {
    // 3 blocks of 64 rows at an inner size of 2^17: c must not show the seams.
    let inner = 1 << 17
    let a = Tensor(uninitialized: [150, inner], .bfloat16)
    let b = Tensor(uninitialized: [65, inner], .bfloat16)
    for row in 0..<150 {
      (a.bfloat16 + row * inner).update(repeating: roundedToBFloat16(Float(row)), count: inner)
    }
    b.bfloat16.update(repeating: roundedToBFloat16(1), count: b.count)
    let c = Tensor(uninitialized: [150, 65], .float32)
    CPUKernels(threads: 2).multiply(.stored(a), .transposed(b), scale: 0x1p-17, .replacing, c)
    #expect(c.floats == (0..<150).flatMap { row in [Float](repeating: Float(row), count: 65) })
  }

  @Test func emptyInnerSizeGivesZeros() {
    let c = randomTensor([40, 3], seed: 1)
    let kernels = CPUKernels(threads: 1)
    kernels.multiply(
      .stored(Tensor([Float](), [40, 0])), .stored(Tensor([Float](), [0, 3])), scale: 1, .replacing, c)
    #expect(c.floats.allSatisfy { $0 == 0 })
  }

  @Test func replacingIgnoresWhatWasThere() {
    for rows in [2, 140] {
      let c = Tensor([Float](repeating: .nan, count: rows * 3), [rows, 3])
      let (a, b) = (randomTensor([rows, 5], seed: 1), randomTensor([3, 5], seed: 2))
      CPUKernels(threads: 1).multiply(.stored(a), .transposed(b), scale: 1, .replacing, c)
      #expect(c.floats.allSatisfy { $0.isFinite })
    }
  }
}

/// One product with random factors, times 0.75.
private struct Product {
  let a: Operand, b: Operand
  let scale: Float = 0.75
  let rows: Int, columns: Int, inner: Int

  /// - transposes: bit 0 is that of a, bit 1 that of b.
  init(_ size: [Int], _ aType: DType, _ bType: DType, _ transposes: Int) {
    (rows, columns, inner) = (size[0], size[1], size[2])
    a =
      transposes & 1 == 0
      ? .stored(randomTensor([rows, inner], aType, seed: 1))
      : .transposed(randomTensor([inner, rows], aType, seed: 1))
    b =
      transposes & 2 == 0
      ? .stored(randomTensor([inner, columns], bType, seed: 2))
      : .transposed(randomTensor([columns, inner], bType, seed: 2))
  }

  func computed(_ start: Tensor, _ store: Store, threads: Int) -> Tensor {
    let c = start.copied()
    CPUKernels(threads: threads).multiply(a, b, scale: scale, store, c)
    return c
  }

  /// The product by float64 loops.
  var exact: [Double] {
    let (left, right) = (a.tensor.floats, b.tensor.floats)
    return (0..<rows * columns).map { at in
      var sum = 0.0
      for k in 0..<inner {
        sum += Double(left[a.index(at / columns, k)]) * Double(right[b.index(k, at % columns)])
      }
      return sum * Double(scale)
    }
  }

  /// Largest error of an element.
  func error(from exact: [Double], _ start: Tensor, _ store: Store) -> Double {
    let (before, after) = (start.floats, computed(start, store, threads: 2).floats)
    return exact.indices.reduce(0) { worst, i in
      let error = abs(exact[i] + (store == .adding ? Double(before[i]) : 0) - Double(after[i]))
      return error.isNaN ? .infinity : max(worst, error)
    }
  }

  /// K products of magnitude up to 1 in float32: 2^-24 each, with their sum's size sqrt(K). bfloat16 adds
  /// half a unit (2^-8) of the largest element. That element is below 1 + 2 sqrt(K) here, which is six of its
  /// standard deviations.
  func tolerance(_ cType: DType) -> Double {
    let size = 1 + 2 * Double(inner).squareRoot()
    return size * Double(inner).squareRoot() * 0x1p-22 + (cType == .bfloat16 ? size * 0x1p-8 : 0)
  }
}

extension Operand {
  fileprivate func index(_ row: Int, _ column: Int) -> Int {
    switch self {
    case .stored(let tensor): row * tensor.shape[1] + column
    case .transposed(let tensor): column * tensor.shape[1] + row
    }
  }
}
