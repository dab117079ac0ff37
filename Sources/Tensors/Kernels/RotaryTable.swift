import Glibc

/// Inverse frequencies of rotary position embedding: angle = position · inverseFrequencies[i], in float32.
/// Source: Su et al. 2021; transformers modeling_rope_utils.py.
package struct RotaryTable: Sendable, Equatable {
  /// [H / 2], float32.
  package let inverseFrequencies: [Float]
  /// H: elements of one head.
  package var headDim: Int { inverseFrequencies.count * 2 }

  /// 1 / (theta^(2i/H)) / `linearScale`. The scale is that of "linear" scaling in long-context layers; 1 is
  /// none.
  package init(headDim: Int, theta: Double, linearScale: Double) {
    inverseFrequencies = (0..<headDim / 2).map { i in
      1 / powf(Float(theta), Float(2 * i) / Float(headDim)) / Float(linearScale)
    }
  }
}
