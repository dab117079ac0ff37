import Gemma
import Tensors

/// The arithmetic that a model's work needs, without padding and recomputation: the basis of utilisation.
package struct ModelWork {
  private let sizes: ModelConfiguration

  /// The work of a model of these sizes.
  package init(_ sizes: ModelConfiguration) { self.sizes = sizes }

  /// Number of elements of the linear maps of all layers.
  private var linearElements: Double {
    WeightNames.all(in: sizes).filter(\.role.isMatrixFactor).reduce(0) { $0 + Double($1.count) }
  }

  /// Floating-point operations of one forward and backward pass: forward, the gradients of the activations,
  /// and those of the trained matrices.
  ///
  /// Attention counts a causal half. Its backward pass needs two and a half times the forward operations.
  package func operations(_ batch: TokenBatch, _ trained: TrainedParameters) -> Double {
    let rank = 16
    let adapter = Double(
      GemmaModel.adapterParameterCount(sizes, rank: rank, targets: LinearModule.allCases))
    let base =
      2 * linearElements * Double(batch.tokenCount)
      + 2 * Double(sizes.vocabSize * sizes.hiddenSize) * Double(batch.targetCount)
    let lengths = zip(batch.offsets, batch.offsets.dropFirst()).map { Double($1 - $0) }
    let width = Double(sizes.numAttentionHeads * sizes.headDim * sizes.numHiddenLayers)
    let attention = lengths.reduce(0) { $0 + 2 * width * $1 * ($1 + 1) }
    return switch trained {
    case .all: 3 * base + 3.5 * attention
    case .adapters: 2 * base + 3 * 2 * adapter * Double(batch.tokenCount) + 3.5 * attention
    }
  }

  /// Bytes of bfloat16 weights that each forward pass of decoding reads.
  package var decodingBytes: Double {
    2 * (linearElements + Double(sizes.vocabSize * sizes.hiddenSize))
  }
}

/// Dense bfloat16 operations a second in a GPU's datasheet; nil for a GPU that is not listed.
package func datasheetRate(ofGPU name: String) -> Double? {
  let rates: [(part: String, rate: Double)] = [
    ("H200", 989e12), ("H100 80GB HBM3", 989e12), ("H100 PCIe", 756e12), ("A100", 312e12),
  ]
  return rates.first { name.contains($0.part) }?.rate
}
