import Tensors

/// Keys and values of the tokens so far, for decoding: each row of a batch owns `capacity` places in every
/// layer.
final class KeyValueCache {
  private let kernels: any Kernels
  /// One pair a layer, [rows · capacity + 1, K · H]: the last place is for rows that only fill up a pass.
  private let keys: [Tensor], values: [Tensor]
  private let capacity: Int
  /// Tokens held for each row.
  private(set) var lengths: [Int]

  /// An empty cache for `rows` sequences of up to `capacity` tokens.
  init(_ configuration: ModelConfiguration, _ dtype: DType, rows: Int, capacity: Int, _ kernels: any Kernels)
  {
    let shape = [rows * capacity + 1, configuration.numKeyValueHeads * configuration.headDim]
    self.kernels = kernels
    self.capacity = capacity
    keys = (0..<configuration.numHiddenLayers).map { _ in kernels.uninitialized(shape, dtype) }
    values = (0..<configuration.numHiddenLayers).map { _ in kernels.uninitialized(shape, dtype) }
    lengths = Array(repeating: 0, count: rows)
  }

  /// What a pass over new tokens is told of the cache.
  struct Advance {
    /// Position of each new token in its sequence, and the place that it goes to.
    var positions: [Int32] = [], places: [Int32] = []
    /// The attention's segments.
    var segments: [AttentionSegment] = []
  }

  /// Makes room for `counts[i]` new tokens of row `rows[i]`, which come end to end in the next pass.
  func advance(rows: [Int], counts: [Int]) -> Advance {
    var advance = Advance()
    for (row, count) in zip(rows, counts) {
      let first = row * capacity
      advance.segments.append(
        .init(
          queryStart: advance.positions.count, queryCount: count, keyStart: first,
          keyCount: lengths[row] + count))
      for position in lengths[row]..<lengths[row] + count {
        advance.positions.append(Int32(position))
        advance.places.append(Int32(first + position))
      }
      lengths[row] += count
      precondition(lengths[row] <= capacity, "KeyValueCache: \(lengths[row]) tokens in \(capacity) places")
    }
    return advance
  }

  /// Fills up a pass of one token a row to `count` rows with ones that nobody reads.
  func fill(_ advance: inout Advance, upTo count: Int) {
    let spare = lengths.count * capacity
    for row in advance.positions.count..<max(count, advance.positions.count) {
      advance.positions.append(0)
      advance.places.append(Int32(spare))
      advance.segments.append(.init(queryStart: row, queryCount: 1, keyStart: spare, keyCount: 1))
    }
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

  /// Takes the keys and values of the pass's tokens at `layer`, and returns those that the attention reads:
  /// all.
  /// - places: int32 [T], in the kernels' place.
  func keysAndValues(adding k: Tensor, _ v: Tensor, at places: Tensor, layer: Int) -> (Tensor, Tensor) {
    kernels.copy(k, toRows: places, of: keys[layer])
    kernels.copy(v, toRows: places, of: values[layer])
    return (keys[layer], values[layer])
  }
}
