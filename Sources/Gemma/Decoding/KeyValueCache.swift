import Tensors

/// Keys and values of the tokens read so far, for decoding: each slot owns `capacity` places in every layer.
final class KeyValueCache {
  private let kernels: any Kernels
  /// Those of each layer, [slots · capacity + 1, K · H]. The last place is for rows that pad a forward pass.
  private let keys: [Tensor], values: [Tensor]
  private let capacity: Int
  /// Number of tokens held for each slot.
  private(set) var lengths: [Int]

  /// An empty cache for `rows` slots of up to `capacity` tokens.
  init(_ configuration: ModelConfiguration, _ dtype: DType, rows: Int, capacity: Int, _ kernels: any Kernels)
  {
    let shape = [rows * capacity + 1, configuration.numKeyValueHeads * configuration.headDim]
    self.kernels = kernels
    self.capacity = capacity
    keys = (0..<configuration.numHiddenLayers).map { _ in kernels.uninitialized(shape, dtype) }
    values = (0..<configuration.numHiddenLayers).map { _ in kernels.uninitialized(shape, dtype) }
    lengths = Array(repeating: 0, count: rows)
  }

  /// Where the new tokens of one forward pass go in the cache, and what they attend to.
  struct Advance {
    /// Position of each new token in its sequence, and its place in the cache.
    var positions: [Int32] = [], places: [Int32] = []
    /// Segments of the attention: the queries of each slot and their keys.
    var segments: [AttentionSegment] = []
  }

  /// Makes room for `counts[i]` new tokens of slot `rows[i]`, laid end to end in the next forward pass.
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

  /// Pads a forward pass of one token a slot to `count` rows. Nobody reads the results of these rows.
  func fill(_ advance: inout Advance, upTo count: Int) {
    let spare = lengths.count * capacity
    for row in advance.positions.count..<max(count, advance.positions.count) {
      advance.positions.append(0)
      advance.places.append(Int32(spare))
      advance.segments.append(.init(queryStart: row, queryCount: 1, keyStart: spare, keyCount: 1))
    }
  }

  /// Forgets all tokens of a slot except for the first `count`.
  func truncate(_ row: Int, to count: Int) {
    precondition(count <= lengths[row], "KeyValueCache: \(lengths[row]) tokens truncated to \(count)")
    lengths[row] = count
  }

  /// Gives every slot the tokens that slot `source` holds.
  func copyToAllRows(from source: Int) {
    for tensor in keys + values {
      let held = tensor.rows(source * capacity..<source * capacity + lengths[source])
      for row in lengths.indices where row != source {
        kernels.copy(held, to: tensor.rows(row * capacity..<row * capacity + lengths[source]))
      }
    }
    lengths = lengths.map { _ in lengths[source] }
  }

  /// Stores keys and values of the new tokens in the cache of `layer`.  - Returns: all that it then holds.
  /// - places: int32 [T], in the kernels' place.
  func keysAndValues(adding k: Tensor, _ v: Tensor, at places: Tensor, layer: Int) -> (Tensor, Tensor) {
    kernels.copy(k, toRows: places, of: keys[layer])
    kernels.copy(v, toRows: places, of: values[layer])
    return (keys[layer], values[layer])
  }
}
