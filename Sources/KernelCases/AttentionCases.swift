import Tensors

extension KernelCases {
  /// Attention of a training pass in every form, and of decoding.
  func attention(_ dtype: DType) -> [KernelCase] {
    let plain = shape()
    let product = 2 * Double(sizes.queryWidth) * Double(sizes.lengths.reduce(0) { $0 + $1 * ($1 + 1) / 2 })
    let sequences =
      Set(sizes.lengths).count == 1 ? "\(sizes.lengths.count) x \(sizes.lengths[0])" : "\(sizes.tokens)"
    let text = "\(sequences) tokens, \(sizes.heads) heads of \(sizes.headDim)"
    let window = max(2, sizes.lengths[0] / 3)
    return [
      // Two products over the visible half of the scores; backward has five.
      forward("attention, forward", dtype, plain).timed(text, .operations, 2 * product),
      backward("attention, backward", dtype, plain).timed(text, .operations, 5 * product),
      decoding(dtype),
    ]
      + [
        ("with window", shape(window: window)), ("with soft cap", shape(softCap: 2)),
        ("with window and soft cap", shape(window: window, softCap: 2)),
      ].flatMap { name, shape in
        [
          forward("attention \(name), forward", dtype, shape),
          backward("attention \(name), backward", dtype, shape),
        ]
      } + [decodingFromData(dtype)]
  }

  private func shape(window: Int? = nil, softCap: Float? = nil) -> AttentionShape {
    AttentionShape(
      headCount: sizes.heads, keyValueHeadCount: sizes.keyValueHeads, headDim: sizes.headDim,
      scale: sizes.attentionScale ?? 1 / Float(sizes.headDim).squareRoot(), window: window,
      softCap: softCap ?? sizes.attentionSoftCap)
  }

  private var segments: [AttentionSegment] {
    var start = 0
    return sizes.lengths.map { count in
      defer { start += count }
      return AttentionSegment(queryStart: start, queryCount: count, keyStart: start, keyCount: count)
    }
  }

  private func inputs(_ dtype: DType, _ queries: Int, _ keys: Int) -> [CaseInput] {
    [
      .random([queries, sizes.queryWidth], dtype, amplitude: sizes.attentionAmplitude),
      .random([keys, sizes.keyWidth], dtype, amplitude: sizes.attentionAmplitude),
      .random([keys, sizes.keyWidth], dtype),
    ]
  }

  /// Tensor cores take weights and their gradients rounded to bfloat16, half a step a term, and o as it was
  /// rounded to bfloat16: with the result's own, two roundings.
  private func gradientTolerance(_ dtype: DType) -> CaseTolerance {
    dtype == .bfloat16 ? .init(gpu: .bfloat16, simulated: 0x1p-6, truth: 0x1p-7) : CaseTolerance(dtype)
  }

  private func forward(_ name: String, _ dtype: DType, _ shape: AttentionShape) -> KernelCase {
    let segments = segments
    return KernelCase(name, dtype, inputs(dtype, sizes.tokens, sizes.tokens)) { kernels, x in
      let (o, logSumExp) = kernels.attentionForward(x[0], x[1], x[2], shape, segments: segments)
      return [o, logSumExp]
    }
    .checked { x in
      let truth = AttentionTruth(x, shape, segments)
      return [truth.o, truth.logSumExp]
    }
  }

  private func backward(_ name: String, _ dtype: DType, _ shape: AttentionShape) -> KernelCase {
    let segments = segments
    let dO = CaseInput.random([sizes.tokens, sizes.queryWidth], dtype)
    return KernelCase(
      name, dtype, inputs(dtype, sizes.tokens, sizes.tokens) + [dO],
      prepare: { kernels, x in
        let (o, logSumExp) = kernels.attentionForward(x[0], x[1], x[2], shape, segments: segments)
        return {
          let (dQ, dK, dV) = kernels.attentionBackward(
            x[3], x[0], x[1], x[2], o: o, logSumExp: logSumExp, shape, segments: segments)
          return [dQ, dK, dV]
        }
      }
    )
    .checked { x in AttentionTruth(x, shape, segments).gradients(x[3]) }
    .tolerating([gradientTolerance(dtype)])
  }

  /// Segments of one query each, over a cache with room for the longest.
  private var decodingSegments: (held: Int, segments: [AttentionSegment]) {
    let held = sizes.decodingKeys.max() ?? 1
    return (
      held,
      sizes.decodingKeys.enumerated().map { row, count in
        AttentionSegment(queryStart: row, queryCount: 1, keyStart: row * held, keyCount: count)
      }
    )
  }

  private func decoding(_ dtype: DType) -> KernelCase {
    let (held, segments) = decodingSegments
    let rows = segments.count
    let shape = shape()
    return KernelCase("attention, decoding", dtype, inputs(dtype, rows, rows * held)) { kernels, x in
      let (o, logSumExp) = kernels.attentionForward(x[0], x[1], x[2], shape, segments: segments)
      return [o, logSumExp]
    }
    .checked { x in
      let truth = AttentionTruth(x, shape, segments)
      return [truth.o, truth.logSumExp]
    }
    .timed(
      "\(rows) rows over \(held) keys", .bytes,
      2 * Double(rows * held * sizes.keyWidth * dtype.byteCount))
  }

  private func decodingFromData(_ dtype: DType) -> KernelCase {
    let (held, segments) = decodingSegments
    let rows = segments.count
    let shape = shape(softCap: 2)
    let numbers = CaseInput.ints(segments.flatMap { $0.numbers.map(Int.init) })
    return KernelCase(
      "attention, decoding of segments that are data", dtype, inputs(dtype, rows, rows * held) + [numbers]
    ) {
      [$0.attentionDecode($1[0], $1[1], $1[2], shape, segments: $1[3], longest: held)]
    }
    .checked { x in [AttentionTruth(x, shape, segments).o] }
  }
}
