import Tensors

/// Keys and values of the tokens so far, for decoding: each row of a batch owns `capacity` places in every layer.
final class KeyValueCache: KeyValueStore {
  private let kernels: any Kernels
  /// One pair a layer, [rows · capacity, K · H].
  private let keys: [Tensor], values: [Tensor]
  private let capacity: Int
  /// Tokens held for each row.
  private(set) var lengths: [Int]
  /// Places, int32 [T], that the tokens of the pass under way go to.
  private var places = Tensor([])

  /// An empty cache for `rows` sequences of up to `capacity` tokens.
  init(_ configuration: ModelConfiguration, _ dtype: DType, rows: Int, capacity: Int, _ kernels: any Kernels)
  {
    let shape = [rows * capacity, configuration.numKeyValueHeads * configuration.headDim]
    self.kernels = kernels
    self.capacity = capacity
    keys = (0..<configuration.numHiddenLayers).map { _ in kernels.uninitialized(shape, dtype) }
    values = (0..<configuration.numHiddenLayers).map { _ in kernels.uninitialized(shape, dtype) }
    lengths = Array(repeating: 0, count: rows)
  }

  /// Makes room for `counts[i]` new tokens of row `rows[i]`, which come end to end in the next pass.
  /// - Returns: the new tokens' positions, and the attention's segments.
  func advance(rows: [Int], counts: [Int]) -> (positions: [Int32], segments: [AttentionLayout.Segment]) {
    var positions: [Int32] = []
    var targets: [Int32] = []
    var segments: [AttentionLayout.Segment] = []
    for (row, count) in zip(rows, counts) {
      let first = row * capacity
      segments.append(
        .init(
          queryStart: positions.count, queryCount: count, keyStart: first, keyCount: lengths[row] + count))
      for position in lengths[row]..<lengths[row] + count {
        positions.append(Int32(position))
        targets.append(Int32(first + position))
      }
      lengths[row] += count
      precondition(lengths[row] <= capacity, "KeyValueCache: \(lengths[row]) tokens in \(capacity) places")
    }
    places = kernels.placed(Tensor(targets))
    return (positions, segments)
  }

  /// Forgets all but the first `count` tokens of a row.
  func truncate(_ row: Int, to count: Int) {
    precondition(count <= lengths[row], "KeyValueCache: \(lengths[row]) tokens truncated to \(count)")
    lengths[row] = count
  }

  /// Gives every row the tokens that row `source` holds.
  func copyToAllRows(from source: Int) {
    for tensor in keys + values {
      let held = tensor.rows(source * capacity..<source * capacity + lengths[source])
      for row in lengths.indices where row != source {
        kernels.copy(held, to: tensor.rows(row * capacity..<row * capacity + lengths[source]))
      }
    }
    lengths = lengths.map { _ in lengths[source] }
  }

  func keysAndValues(_ k: Tensor, _ v: Tensor, layer: Int) -> (Tensor, Tensor) {
    kernels.copy(k, toRows: places, of: keys[layer])
    kernels.copy(v, toRows: places, of: values[layer])
    return (keys[layer], values[layer])
  }
}
