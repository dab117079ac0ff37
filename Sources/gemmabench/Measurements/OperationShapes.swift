import Files
import Gemma
import Tensors

/// The shapes at which the kernels are measured: one training pass of a model, and decoding.
struct OperationShapes {
  let sizes: ModelConfiguration
  /// Tokens of the pass, by default 8 sequences of about the mean length of GSM8K's examples; half of them are targets.
  var sequences = 8, length = 188
  /// Rows of a decoding step: one prompt alone, and several side by side.
  var decodingRows = [1, 16]
  private let random: RandomPool

  /// Shapes of a model whose tensors come from `random`.
  init(_ sizes: ModelConfiguration, _ random: RandomPool) {
    self.sizes = sizes
    self.random = random
  }

  /// T and M.
  var tokens: Int { sequences * length }
  var targets: Int { tokens / 2 }
  /// Widths of queries and of keys: N·H and K·H.
  var queryWidth: Int { sizes.numAttentionHeads * sizes.headDim }
  var keyWidth: Int { sizes.numKeyValueHeads * sizes.headDim }

  /// One line for each kernel.
  func results(_ kernels: any Kernels, _ timing: Timing) -> [JSONObject] {
    products(kernels, timing) + thinProducts(kernels, timing) + adapters(kernels, timing)
      + attention(kernels, timing) + vocabulary(kernels, timing) + rows(kernels, timing)
      + elementwise(kernels, timing) + optimizer(kernels, timing)
  }

  /// Random tensors.
  func bf16(_ shape: Int...) -> Tensor { random.tensor(shape, .bfloat16) }
  func float32(_ shape: Int...) -> Tensor { random.tensor(shape, .float32) }
  /// "1 row", "16 rows".
  func rowsText(_ count: Int) -> String { "\(count) row\(count == 1 ? "" : "s")" }

  /// The linear maps of a layer: forward, gradient of the input, gradient of the weight.
  private func products(_ kernels: any Kernels, _ timing: Timing) -> [JSONObject] {
    let (width, inner) = (sizes.hiddenSize, sizes.intermediateSize)
    let maps = [
      ("query", width, queryWidth), ("output", queryWidth, width), ("gate", width, inner),
      ("down", inner, width),
    ]
    return maps.flatMap { name, input, output in
      let (x, weight) = (bf16(tokens, input), bf16(output, input))
      let (y, dX) = (bf16(tokens, output), bf16(tokens, input))
      let dWeight = kernels.zeros([output, input], .float32)
      let shape = "\(tokens) x \(input) x \(output)"
      let amount = 2 * Double(tokens * input * output)
      return [
        timing.rate("linear \(name), forward, \(shape)", .gigaflops, amount: amount) {
          kernels.multiply(.stored(x), .transposed(weight), scale: 1, .replacing, y)
        },
        timing.rate("linear \(name), dX, \(shape)", .gigaflops, amount: amount) {
          kernels.multiply(.stored(y), .stored(weight), scale: 1, .replacing, dX)
        },
        timing.rate("linear \(name), dWeight, \(shape)", .gigaflops, amount: amount) {
          kernels.multiply(.transposed(y), .stored(x), scale: 1, .adding, dWeight)
        },
      ]
    }
  }

  /// The same maps with the few rows of decoding: what counts is reading the weight.
  private func thinProducts(_ kernels: any Kernels, _ timing: Timing) -> [JSONObject] {
    let (width, inner) = (sizes.hiddenSize, sizes.intermediateSize)
    // All layers' weights in turn, as a token meets them: one alone would stay in the cache.
    let weights = (0..<sizes.numHiddenLayers).map { _ in bf16(inner, width) }
    return decodingRows.map { batch in
      let (x, y) = (bf16(batch, width), bf16(batch, inner))
      return timing.rate(
        "linear gate of all layers, \(rowsText(batch)), \(width) x \(inner)", .gigabytes,
        amount: Double(weights.count * inner * width * 2)
      ) {
        for weight in weights {
          kernels.multiply(.stored(x), .transposed(weight), scale: 1, .replacing, y)
        }
      }
    }
  }

  /// The products of an adapter of rank 16, float32 matrices beside bfloat16 activations.
  private func adapters(_ kernels: any Kernels, _ timing: Timing) -> [JSONObject] {
    let (rank, width) = (16, sizes.intermediateSize)
    let (x, a, b) = (bf16(tokens, width), float32(rank, width), float32(width, rank))
    let (inner, y) = (float32(tokens, rank), bf16(tokens, width))
    let dA = kernels.zeros([rank, width], .float32)
    let amount = 2 * Double(tokens * rank * width)
    return [
      timing.rate("adapter, x A, \(tokens) x \(width) x \(rank)", .gigaflops, amount: amount) {
        kernels.multiply(.stored(x), .transposed(a), scale: 1, .replacing, inner)
      },
      timing.rate("adapter, added x A B, \(tokens) x \(rank) x \(width)", .gigaflops, amount: amount) {
        kernels.multiply(.stored(inner), .transposed(b), scale: 2, .adding, y)
      },
      timing.rate("adapter, dA, \(rank) x \(tokens) x \(width)", .gigaflops, amount: amount) {
        kernels.multiply(.transposed(inner), .stored(x), scale: 1, .adding, dA)
      },
    ]
  }
}
