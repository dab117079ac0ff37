import Tensors

/// Bytes that one layer needs for each token of a training step, as `Layer` computes it.
///
/// A change to what `Layer`, `Attention` or `MLP` keeps for a gradient must be made here too.
package struct LayerMemory: Equatable, Sendable {
  /// What the layer keeps from its forward pass for its backward pass.
  package let kept: Int
  /// What the backward pass needs beside that.
  package let working: Int

  /// What an adapter beside the linear maps adds.
  package struct Adapter {
    /// Which maps have one, and its rank.
    package var targets: [LinearModule], rank: Int
    /// Whether dropout is applied to the adapter's input, so that a copy of it is kept.
    package var hasDropout: Bool

    /// An adapter of rank `rank` beside the maps `targets`.
    package init(targets: [LinearModule], rank: Int, hasDropout: Bool) {
      self.targets = targets
      self.rank = rank
      self.hasDropout = hasDropout
    }
  }

  /// Memory of a layer of `model` with activations of `dtype`, where the kernels of `place` compute.
  package init(_ model: ModelConfiguration, _ dtype: DType, adapter: Adapter?, on place: Place) {
    let element = dtype.byteCount
    let queries = model.numAttentionHeads * model.headDim
    let keysAndValues = model.numKeyValueHeads * model.headDim
    switch place {
    case .host:
      // The stream and its norms, queries (before and after norm and rotation), the output of attention, keys
      // and values, and the MLP's three. The backward pass also widens the widest operand to float32.
      kept =
        (6 * model.hiddenSize + 4 * queries + 6 * keysAndValues + 3 * model.intermediateSize) * element
      working = kept + 8 * max(model.intermediateSize, queries)
    case .device:
      let norms = LayerNormPlaces(model.family)
      // The stream before and after each of its norms.
      let stream = (norms.afterAttention == nil ? 4 : 6) * model.hiddenSize
      // Rotated queries and keys (also before it where they have a norm), values, the output of attention.
      let heads = (norms.queries == nil ? 2 : 4) * (queries + keysAndValues)
      // For each adapted map its inner product in float32, and the input that dropout changed.
      let adapters = (adapter?.targets ?? []).reduce(0) { sum, target in
        let input = adapter?.hasDropout == true ? target.shape(in: model)[1] * element : 0
        return sum + 4 * (adapter?.rank ?? 0) + input
      }
      kept = (stream + heads + 3 * model.intermediateSize) * element + adapters
      working = (2 * model.intermediateSize + 4 * model.hiddenSize) * element
    }
  }
}
