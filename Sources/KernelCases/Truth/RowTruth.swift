import Glibc
import Tensors

/// Zeros of a shape.
func zeros(_ shape: Shape) -> Numbers { Numbers(shape, [Double](repeating: 0, count: shape.reduce(1, *))) }

/// Rows of x at `indices`.
func pickedRows(_ x: Numbers, _ indices: [Int]) -> [Double] { indices.flatMap { x.row($0) } }

/// `target` with scale · x added to its rows at `indices`.
func addedRows(_ x: Numbers, to target: Numbers, at indices: [Int], scale: Double = 1) -> [Double] {
  var sums = target.values
  for (row, index) in indices.enumerated() {
    for (column, value) in x.row(row).enumerated() { sums[index * x.width + column] += scale * value }
  }
  return sums
}

/// `target` with the rows of x in place of its own at `indices`.
func replacedRows(_ x: Numbers, of target: Numbers, at indices: [Int]) -> [Double] {
  var values = target.values
  for (row, index) in indices.enumerated() {
    values.replaceSubrange(index * x.width..<(index + 1) * x.width, with: x.row(row))
  }
  return values
}

/// 1 / sqrt(mean(x²) + 1e-6) of each row.
private func inverseRoots(_ x: Numbers) -> [Double] {
  (0..<x.height).map { row in
    1 / (dot(x.row(row), x.row(row)) / Double(x.width) + Double(Float(1e-6))).squareRoot()
  }
}

/// y and rstd of the RMS norm with epsilon 1e-6. Source: Zhang & Sennrich 2019, eq. 4.
func rmsNorm(_ x: Numbers, _ weight: Numbers) -> [[Double]] {
  let rstd = inverseRoots(x)
  let y = x.values.indices.map {
    x.values[$0] * rstd[$0 / x.width] * (1 + weight.values[$0 % x.width])
  }
  return [y, rstd]
}

/// Gradients of x and of the weight.
func rmsNormGradients(_ dY: Numbers, _ x: Numbers, _ weight: Numbers) -> [[Double]] {
  let rstd = inverseRoots(x)
  var (dX, dWeight) = ([Double](), [Double](repeating: 0, count: x.width))
  for row in 0..<x.height {
    let normed = x.row(row).map { $0 * rstd[row] }
    let scaled = zip(dY.row(row), weight.values).map { $0 * (1 + $1) }
    let mean = dot(normed[...], scaled[...]) / Double(x.width)
    dX += zip(normed, scaled).map { rstd[row] * ($1 - $0 * mean) }
    for (column, dY) in dY.row(row).enumerated() { dWeight[column] += dY * normed[column] }
  }
  return [dX, dWeight]
}

/// Each pair (i, i + H/2) of each head turned by its angle, which is a float32 product by contract.
func rotated(_ x: Numbers, _ positions: [Int], _ table: RotaryTable, _ direction: Direction) -> [Double] {
  var values = x.values
  let half = table.headDim / 2
  for row in 0..<x.height {
    for start in stride(from: row * x.width, to: (row + 1) * x.width, by: table.headDim) {
      for index in 0..<half {
        let angle = Double(Float(positions[row]) * table.inverseFrequencies[index])
        let (cosine, sine) = (cos(angle), direction == .forward ? sin(angle) : -sin(angle))
        let (first, second) = (values[start + index], values[start + half + index])
        values[start + index] = first * cosine - second * sine
        values[start + half + index] = second * cosine + first * sine
      }
    }
  }
  return values
}
