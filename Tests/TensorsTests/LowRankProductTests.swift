import Foundation
import Tensors
import Testing

/// Both kinds of matrix product. On a processor without the instruction, both are OpenBLAS.
private let choices: [ProductChoice] = [.automatic, .openBLAS]

/// Products of an adapter's sizes: a float32 factor of few lines beside a bfloat16 one, and two factors of a
/// small inner size.
@Suite struct LowRankProductTests {
  /// Ranks around the sixteen split lines that are computed at a time, and around the largest low rank (64).
  static let ranks = [1, 3, 16, 17, 64, 65]
  /// Tokens and width: odd ones, whole lines and tiles (8, 64), and a second block of the inner size (2048).
  static let sizes = [[66, 5], [81, 64], [129, 200], [71, 2051], [2100, 33]]

  @Test(arguments: ranks, choices)
  func productsOfAnAdapterMatchFloat64(rank: Int, choice: ProductChoice) {
    for size in Self.sizes {
      for product in AdapterProduct.all(tokens: size[0], width: size[1], rank: rank) {
        for type in [DType.float32, .bfloat16] {
          for store in [Store.replacing, .adding] {
            let excess = product.largestExcess(type, store, choice)
            #expect(excess <= 1, "\(size) \(rank) \(product.name) \(type) \(store) \(choice)")
          }
        }
      }
    }
  }

  @Test(arguments: ranks)
  func bitsDoNotDependOnTheNumberOfThreads(rank: Int) {
    for product in AdapterProduct.all(tokens: 301, width: 333, rank: rank) {
      for type in [DType.float32, .bfloat16] {
        let results = [1, 2, 3].map { bits(product.computed(type, .adding, .automatic, threads: $0)) }
        #expect(results[1] == results[0] && results[2] == results[0], "\(product.name) \(type)")
      }
    }
  }

  @Test(arguments: choices)
  func nonFiniteElementsReachTheirRowsAndNoOthers(choice: ProductChoice) {
    let (x, a) = (randomTensor([90, 33], .bfloat16, seed: 1), randomTensor([5, 33], seed: 2))
    a.float32[1 * 33 + 32] = Float(bitPattern: 0x7F80_0001)
    a.float32[4 * 33 + 7] = -.infinity
    x.bfloat16[8 * 33 + 32] = 0x7FC0
    let h = Tensor(uninitialized: [90, 5], .float32)
    CPUKernels(threads: 2, products: choice).multiply(
      .stored(x), .transposed(a), scale: 1, .replacing, h)
    for (at, value) in h.floats.enumerated() {
      switch (at / 5, at % 5) {
      case (8, _), (_, 1): #expect(value.isNaN)
      case (_, 4): #expect(value == (x.floats[at / 5 * 33 + 7] < 0 ? .infinity : -.infinity))
      default: #expect(value.isFinite)
      }
    }
  }

  @Test(arguments: choices)
  func largestFloatsAreSplitWithoutOverflow(choice: ProductChoice) {
    let largest = Float.greatestFiniteMagnitude
    let h = Tensor(uninitialized: [70, 2], .float32)
    let x = Tensor(uninitialized: [70, 1], .bfloat16)
    for i in 0..<70 { x.bfloat16[i] = roundedToBFloat16(i % 2 == 0 ? 1 : -0.5) }
    CPUKernels(threads: 1, products: choice).multiply(
      .stored(x), .transposed(Tensor([largest, -largest], [2, 1])), scale: 1, .replacing, h)
    let (even, odd): ([Float], [Float]) = ([largest, -largest], [-largest / 2, largest / 2])
    #expect(h.floats == (0..<35).flatMap { _ in even + odd })
  }

  @Test(arguments: choices) func emptyInnerSizeGivesZeros(choice: ProductChoice) {
    for type in [DType.float32, .bfloat16] {
      let c = randomTensor([90, 3], seed: 1)
      CPUKernels(threads: 1, products: choice).multiply(
        .stored(Tensor(uninitialized: [90, 0], type)), .stored(Tensor(uninitialized: [0, 3], .float32)),
        scale: 1, .replacing, c)
      #expect(c.floats.allSatisfy { $0 == 0 })
    }
  }
}

/// One of the six products of an adapter and its gradients, or of their transposes.
private struct AdapterProduct {
  let name: String, a: Operand, b: Operand
  let scale: Float = 0.75

  /// Float32 factors range over 2^-40 to 2^40. All elements of one inner index have one size.
  static func all(tokens: Int, width: Int, rank: Int) -> [AdapterProduct] {
    let x = randomTensor([tokens, width], .bfloat16, seed: 1)
    let (a, b) = (spread([rank, width], along: 1, seed: 2), spread([width, rank], along: 0, seed: 3))
    let h = spread([tokens, rank], along: 0, seed: 4)
    let hTransposed = spread([rank, tokens], along: 0, seed: 5)
    return [
      AdapterProduct(name: "x At", a: .stored(x), b: .transposed(a)),
      AdapterProduct(name: "dY B", a: .stored(x), b: .stored(b)),
      AdapterProduct(name: "dYt h", a: .transposed(x), b: .stored(h)),
      AdapterProduct(name: "ht x", a: .transposed(h), b: .stored(x)),
      AdapterProduct(name: "a xt", a: .stored(a), b: .transposed(x)),
      AdapterProduct(name: "h Bt", a: .stored(h), b: .transposed(randomTensor([width, rank], seed: 6))),
      AdapterProduct(name: "h A", a: .stored(h), b: .stored(randomTensor([rank, width], seed: 7))),
      AdapterProduct(
        name: "transposed h A", a: .transposed(hTransposed), b: .stored(randomTensor([rank, width], seed: 8))),
    ]
  }

  /// Random elements times 2^-40 to 2^40, by their index in one dimension.
  private static func spread(_ shape: Shape, along dimension: Int, seed: UInt64) -> Tensor {
    let tensor = randomTensor(shape, seed: seed)
    for at in 0..<tensor.count {
      let index = dimension == 0 ? at / shape[1] : at % shape[1]
      tensor.float32[at] *= Float(sign: .plus, exponent: index * 37 % 81 - 40, significand: 1)
    }
    return tensor
  }

  func computed(_ type: DType, _ store: Store, _ choice: ProductChoice, threads: Int) -> Tensor {
    let c = randomTensor([a.rowCount, b.columnCount], type, seed: 9)
    CPUKernels(threads: threads, products: choice).multiply(a, b, scale: scale, store, c)
    return c
  }

  /// Largest error of an element, as a share of the allowed error.
  ///
  /// Each of K float32 roundings is 2^-24 of a sum of at most Σ|a||b|, in no common direction: 8 sqrt(K) of
  /// them are far beyond six standard deviations. The few roundings at the end are of c itself. bfloat16 adds
  /// half its unit.
  func largestExcess(_ type: DType, _ store: Store, _ choice: ProductChoice) -> Double {
    let (rows, columns, inner) = (a.rowCount, b.columnCount, a.columnCount)
    let after = computed(type, store, choice, threads: 2).floats
    let before = randomTensor([rows, columns], type, seed: 9).floats
    let (left, right) = (a.lines(rows, inner), b.columns(inner, columns))
    var worst = 0.0
    // Every element if there are few; otherwise those at a prime stride.
    for at in stride(from: 0, to: rows * columns, by: rows * columns > 4096 ? 61 : 1) {
      var (sum, size) = (0.0, 0.0)
      for k in 0..<inner {
        let term = left[at / columns * inner + k] * right[at % columns * inner + k] * Double(scale)
        sum += term
        size += abs(term)
      }
      if store == .adding {
        sum += Double(before[at])
        size += abs(Double(before[at]))
      }
      let allowed = size * 8 * Double(max(1, inner)).squareRoot() * 0x1p-24
      let rounding = type == .bfloat16 ? abs(sum) * 0x1p-8 * 1.01 : 0
      let ratio = abs(sum - Double(after[at])) / (allowed + rounding)
      worst = ratio.isNaN ? .infinity : max(worst, ratio)
    }
    return worst
  }
}

extension Operand {
  /// The factor's rows along the inner index, as float64.
  fileprivate func lines(_ rows: Int, _ inner: Int) -> [Double] {
    let values = tensor.floats.map(Double.init)
    guard case .transposed = self else { return values }
    return (0..<rows * inner).map { values[$0 % inner * rows + $0 / inner] }
  }

  /// The factor's columns along the inner index, as float64.
  fileprivate func columns(_ inner: Int, _ columns: Int) -> [Double] {
    let values = tensor.floats.map(Double.init)
    guard case .stored = self else { return values }
    return (0..<columns * inner).map { values[$0 % inner * columns + $0 / inner] }
  }
}
