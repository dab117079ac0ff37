import Glibc
import Tensors

/// Causal attention in float64, one query and one head after the other.
struct AttentionTruth {
  private let q: Numbers, k: Numbers, v: Numbers
  private let shape: AttentionShape
  /// What one query of one head sees.
  private struct Row {
    var query: Int, head: Int
    /// Rows of keys, their weights, and the slope of each capped score.
    var keys: Range<Int>, weights: [Double], slopes: [Double]
  }
  private var rows: [Row] = []
  /// [T, N·H], and [T, N].
  private(set) var o: [Double], logSumExp: [Double]

  /// Attention of q, k and v, the first three of `x`.
  init(_ x: [Numbers], _ shape: AttentionShape, _ segments: [AttentionSegment]) {
    (q, k, v) = (x[0], x[1], x[2])
    self.shape = shape
    o = [Double](repeating: 0, count: q.values.count)
    logSumExp = [Double](repeating: 0, count: q.height * shape.headCount)
    for segment in segments {
      for index in 0..<segment.queryCount {
        let end = segment.keyCount - segment.queryCount + index + 1
        let start = max(0, end - (shape.window ?? end))
        let keys = segment.keyStart + start..<segment.keyStart + end
        for head in 0..<shape.headCount { add(segment.queryStart + index, head, keys) }
      }
    }
  }

  private func query(_ x: Numbers, _ row: Int, _ head: Int) -> ArraySlice<Double> {
    let start = (row * shape.headCount + head) * shape.headDim
    return x.values[start..<start + shape.headDim]
  }

  private func keyStart(_ row: Int, _ head: Int) -> Int {
    (row * shape.keyValueHeadCount + head / shape.groupSize) * shape.headDim
  }

  private func key(_ x: Numbers, _ row: Int, _ head: Int) -> ArraySlice<Double> {
    let start = keyStart(row, head)
    return x.values[start..<start + shape.headDim]
  }

  private mutating func add(_ query: Int, _ head: Int, _ keys: Range<Int>) {
    var (scores, slopes) = ([Double](), [Double]())
    for key in keys {
      let score = Double(shape.scale) * dot(self.query(q, query, head), self.key(k, key, head))
      let (value, slope) = capped(score, shape.softCap)
      scores.append(value)
      slopes.append(slope)
    }
    let sum = logSum(scores)
    let weights = scores.map { exp($0 - sum) }
    logSumExp[query * shape.headCount + head] = sum
    let start = (query * shape.headCount + head) * shape.headDim
    for (key, weight) in zip(keys, weights) {
      for (index, value) in self.key(v, key, head).enumerated() { o[start + index] += weight * value }
    }
    rows.append(Row(query: query, head: head, keys: keys, weights: weights, slopes: slopes))
  }

  /// Gradients of q, k and v from that of o.
  func gradients(_ dO: Numbers) -> [[Double]] {
    var dQ = [Double](repeating: 0, count: q.values.count)
    var (dK, dV) = (
      [Double](repeating: 0, count: k.values.count), [Double](repeating: 0, count: k.values.count)
    )
    for row in rows {
      let (dRow, qRow) = (Array(query(dO, row.query, row.head)), Array(query(q, row.query, row.head)))
      let start = (row.query * shape.headCount + row.head) * shape.headDim
      let share = dot(dRow[...], o[start..<start + shape.headDim])
      for (index, key) in row.keys.enumerated() {
        let weight = row.weights[index]
        let dWeight = dot(dRow[...], self.key(v, key, row.head))
        let dScore = weight * (dWeight - share) * row.slopes[index] * Double(shape.scale)
        let keyStart = keyStart(key, row.head)
        for element in 0..<shape.headDim {
          dQ[start + element] += dScore * k.values[keyStart + element]
          dK[keyStart + element] += dScore * qRow[element]
          dV[keyStart + element] += weight * dRow[element]
        }
      }
    }
    return [dQ, dK, dV]
  }
}

/// c · tanh(x / c) and its slope; x itself without a cap.
func capped(_ x: Double, _ softCap: Float?) -> (value: Double, slope: Double) {
  guard let softCap else { return (x, 1) }
  let tangent = tanh(x / Double(softCap))
  return (Double(softCap) * tangent, 1 - tangent * tangent)
}

/// log Σ e^x.
func logSum(_ x: [Double]) -> Double {
  let largest = x.max() ?? 0
  return largest + log(x.reduce(0) { $0 + exp($1 - largest) })
}
