import Tensors

/// Logits that are not all finite, so that no next token can be chosen.
package struct NonFiniteOutput: Error, Equatable, Sendable {
  /// Index of the prompt that was being answered.
  package var prompt: Int
  /// Number of the new token, from 1.
  package var token: Int
  /// The first part of the model whose output is not finite.
  package var part: ModelPart

  /// The failure at new token `token` (from 1) of the answer to `prompt`, which begins in `part`.
  package init(prompt: Int, token: Int, part: ModelPart) {
    self.prompt = prompt
    self.token = token
    self.part = part
  }
}

/// A part of a model, known by its output.
package enum ModelPart: Equatable, Sendable {
  /// The scaled embedding of the tokens.
  case embedding
  /// The residual stream after a layer, counted from 0.
  case layer(Int)
  /// The final norm and the output map.
  case outputMap
}

extension GemmaModel {
  /// The first part whose output is not finite when the model reads `tokens`; the output map where all parts
  /// before it are finite.
  ///
  /// A number that is not finite stays so in the residual stream, hence a few passes through the first layers
  /// find the part.
  func firstNonFinitePart(_ tokens: [Int32], tokensPerPass: Int, _ kernels: any Kernels) -> ModelPart {
    // The first `finite` layers give only finite numbers. The first `other` do not, or are one more than all.
    var (finite, other) = (-1, layers.count + 1)
    while other - finite > 1 {
      let middle = (finite + other) / 2
      var part = self
      part.layers = Array(layers.prefix(middle))
      if part.hasFiniteResidual(tokens, tokensPerPass, kernels) { finite = middle } else { other = middle }
    }
    return other == 0 ? .embedding : other > layers.count ? .outputMap : .layer(other - 1)
  }

  private func hasFiniteResidual(_ tokens: [Int32], _ tokensPerPass: Int, _ kernels: any Kernels) -> Bool {
    let cache = KeyValueCache(configuration, dtype, rows: 1, capacity: tokens.count, kernels)
    return stride(from: 0, to: tokens.count, by: tokensPerPass).allSatisfy { start in
      let ids = Array(tokens[start..<min(tokens.count, start + tokensPerPass)])
      let advance = cache.advance(rows: [0], counts: [ids.count])
      let context = context(
        positions: kernels.placed(Tensor(advance.positions)), .sequences(advance.segments),
        cache: (cache, kernels.placed(Tensor(advance.places))))
      let residual = residual(
        kernels.placed(Tensor(ids)), Operations(kernels), context, checkpointing: false)
      return kernels.onHost(residual).firstNonFinite() == nil
    }
  }
}
