import Tensors

extension AgreementShapes {
  func attention(_ dtype: DType) -> [AgreementCase] {
    [
      .init(name: "attention, forward and backward", dtype: dtype) { inputs in
        attention(inputs, window: nil, softCap: nil)
      },
      .init(name: "attention with window and soft cap", dtype: dtype) { inputs in
        attention(inputs, window: max(2, lengths[0] / 3), softCap: 2)
      },
      .init(name: "attention of one new token a row", dtype: dtype) { inputs in
        let held = lengths.max() ?? 1
        let cacheShape = [lengths.count * held, keyWidth]
        let segments = lengths.indices.map { row in
          AttentionSegment(
            queryStart: row, queryCount: 1, keyStart: row * held, keyCount: lengths[row])
        }
        let (o, logSumExp) = inputs.kernels.attentionForward(
          inputs.random([lengths.count, queryWidth]), inputs.random(cacheShape), inputs.random(cacheShape),
          attentionShape(window: nil, softCap: nil), segments: segments)
        return [.init(o), .init(logSumExp)]
      },
    ]
  }

  private func attention(_ inputs: AgreementInputs, window: Int?, softCap: Float?) -> [AgreementResult] {
    var start = 0
    let segments = lengths.map { length in
      defer { start += length }
      return AttentionSegment(
        queryStart: start, queryCount: length, keyStart: start, keyCount: length)
    }
    let shape = attentionShape(window: window, softCap: softCap)
    let q = inputs.random([tokens, queryWidth])
    let (k, v) = (inputs.random([tokens, keyWidth]), inputs.random([tokens, keyWidth]))
    let (o, logSumExp) = inputs.kernels.attentionForward(q, k, v, shape, segments: segments)
    let (dQ, dK, dV) = inputs.kernels.attentionBackward(
      inputs.random([tokens, queryWidth]), q, k, v, o: o, logSumExp: logSumExp, shape,
      segments: segments)
    return [o, logSumExp, dQ, dK, dV].map { .init($0) }
  }

  private func attentionShape(window: Int?, softCap: Float?) -> AttentionShape {
    AttentionShape(
      headCount: heads, keyValueHeadCount: keyValueHeads, headDim: headDim,
      scale: 1 / Float(headDim).squareRoot(), window: window, softCap: softCap)
  }

  func vocabulary(_ dtype: DType) -> [AgreementCase] {
    // Gradients may pass through bfloat16 where the activations do.
    let gradients: Tolerance = dtype == .bfloat16 ? .bfloat16 : .float32
    return [Float?.none, 5].map { softCap in
      .init(name: "cross-entropy\(softCap == nil ? "" : " with soft cap")", dtype: dtype) { inputs in
        let hidden = inputs.random([tokens / 2, self.hidden])
        let table = inputs.weight(vocabulary, self.hidden)
        let dTable = inputs.zeros([vocabulary, self.hidden])
        let targets = inputs.ints((0..<tokens / 2).map { $0 * 7919 % vocabulary })
        let result = inputs.kernels.linearCrossEntropy(
          hidden, table, targets: targets,
          CrossEntropyOptions(softCap: softCap, gradientScale: 1, dTable: dTable))
        return [AgreementResult(result.losses), .init(dTable, gradients)]
          + (result.dHidden.map { [.init($0, gradients)] } ?? [])
      }
    } + [
      .init(name: "logits and their arg max", dtype: dtype) { inputs in
        let hidden = inputs.random([3, self.hidden])
        let table = inputs.weight(vocabulary, self.hidden)
        return [
          .init(inputs.kernels.logits(hidden, table, softCap: 5)),
          .init(inputs.kernels.vocabularySearch(table, searches: 1).argmax(hidden)),
        ]
      }
    ]
  }

  /// Three steps of each form of AdamW, and the norms that clip.
  var optimizer: [AgreementCase] {
    [
      .init(name: "gradient norms and clip factor", dtype: .float32) { inputs in
        let result = inputs.kernels.gradientNorms(
          [inputs.random([inner, hidden]), inputs.random([hidden])], maxNorm: 1)
        return [.init(result.norms), .init(result.clip)]
      },
      .init(name: "AdamW, 8-bit moments, float32", dtype: .float32) { steps($0, eightBit: true, .nearest) },
      .init(name: "AdamW, 8-bit moments, master", dtype: .bfloat16) { steps($0, eightBit: true, nil) },
      .init(name: "AdamW, 8-bit moments, stochastic", dtype: .bfloat16) {
        steps($0, eightBit: true, .stochastic(RandomKey(seed: 5, stream: 6)))
      },
      .init(name: "AdamW, 8-bit moments, bfloat16 gradients", dtype: .bfloat16) {
        steps($0, eightBit: true, nil, gradient: .bfloat16)
      },
      .init(name: "AdamW, float32 moments", dtype: .float32) { steps($0, eightBit: false, .nearest) },
    ]
  }

  /// - Parameter rounding: of the parameter itself; nil for bfloat16 weights with a float32 master copy.
  private func steps(
    _ inputs: AgreementInputs, eightBit: Bool, _ rounding: Rounding?, gradient: DType = .float32
  ) -> [AgreementResult] {
    let kernels = inputs.kernels
    // Of a size that ends within a block of moments.
    let shape = [inner / 4 + 1, hidden / 4 + 3]
    let weights = inputs.random(shape, amplitude: 0.1)
    let parameter = rounding == nil ? kernels.converted(weights, to: .float32, scale: 1) : weights
    let moments = moments(weights.count, eightBit: eightBit, kernels)
    for step in 1...3 {
      let update = AdamWUpdate(
        parameter: parameter, gradient: inputs.random(shape, gradient, amplitude: 1e-3),
        weights: rounding == nil ? weights : nil, rounding: rounding ?? .nearest,
        step: AdamWStep(
          step: step, learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01,
          gradientScale: 1))
      _ = kernels.adamW([(update, moments)], clip: kernels.placed(Tensor([0.5], [1])))
    }
    return [AgreementResult(parameter), .init(weights)]
      + moments.tensors.map { .init($0.tensor, $0.tensor.dtype == .uint8 ? .codes : nil) }
  }

  private func moments(_ count: Int, eightBit: Bool, _ kernels: any Kernels) -> AdamWMoments {
    func floats(_ count: Int) -> Tensor { kernels.zeros([count], .float32) }
    guard eightBit else { return .float32(moment1: floats(count), moment2: floats(count)) }
    let blocks = AdamWMoments.blockCount(count)
    return .codes(
      codes1: kernels.zeros([count], .uint8), codes2: kernels.zeros([count], .uint8),
      absmax1: floats(blocks), absmax2: floats(blocks))
  }
}
