import Tensors

/// A tensor's elements in float64, as stored: what truths are computed from.
struct Numbers {
  /// Sizes of the dimensions.
  let shape: Shape
  /// Row-major.
  let values: [Double]

  /// Elements of a host tensor, widened.
  init(_ tensor: Tensor) { self.init(tensor.shape, tensor.floats.map(Double.init)) }

  /// Elements of a shape.
  init(_ shape: Shape, _ values: [Double]) {
    self.shape = shape
    self.values = values
  }

  /// Length of a row, and the number of rows.
  var width: Int { shape.last ?? 1 }
  var height: Int { values.count / max(1, width) }
  /// Whole numbers.
  var ints: [Int] { values.map { Int($0) } }

  /// One row.
  func row(_ index: Int) -> ArraySlice<Double> { values[index * width..<(index + 1) * width] }

  /// Two-dimensional numbers with rows and columns exchanged.
  var transposed: Numbers {
    var turned = [Double](repeating: 0, count: values.count)
    for row in 0..<height {
      for column in 0..<width { turned[column * height + row] = values[row * width + column] }
    }
    return Numbers([width, height], turned)
  }

  /// Each element rounded to the nearest of a dtype.
  func rounded(to dtype: DType) -> Numbers {
    Numbers(
      shape,
      values.map {
        dtype == .bfloat16 ? Double(widened(roundedToBFloat16(Float($0)))) : Double(Float($0))
      })
  }
}

/// scale · a · b, added to c where there is one.
func product(_ a: Numbers, _ b: Numbers, scale: Double = 1, addedTo c: Numbers? = nil) -> [Double] {
  let (inner, columns) = (a.width, b.width)
  var sums = c?.values ?? [Double](repeating: 0, count: a.height * columns)
  sums.withUnsafeMutableBufferPointer { sums in
    b.values.withUnsafeBufferPointer { b in
      for row in 0..<a.height {
        for term in 0..<inner {
          let factor = scale * a.values[row * inner + term]
          for column in 0..<columns { sums[row * columns + column] += factor * b[term * columns + column] }
        }
      }
    }
  }
  return sums
}

/// The sum of products of two rows of equal length.
func dot(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>) -> Double {
  zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
}
