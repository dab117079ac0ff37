import Files
import Gemma
import Tensors

extension OperationShapes {
  /// Attention of a training pass, and of one new token for each of 16 rows of a cache.
  func attention(_ kernels: any Kernels, _ timing: Timing) -> [JSONObject] {
    let (q, k, v) = (bf16(tokens, queryWidth), bf16(tokens, keyWidth), bf16(tokens, keyWidth))
    let heads = AttentionShape(
      headCount: sizes.numAttentionHeads, keyValueHeadCount: sizes.numKeyValueHeads,
      headDim: sizes.headDim, scale: Float(sizes.attentionScale), softCap: sizes.attnLogitSoftcapping)
    let segments = (0..<sequences).map {
      AttentionSegment(
        queryStart: $0 * length, queryCount: length, keyStart: $0 * length, keyCount: length)
    }
    let (o, logSumExp) = kernels.attentionForward(q, k, v, heads, segments: segments)
    // Two products over the visible half of the scores; backward has five.
    let product = 2 * Double(sequences * queryWidth) * Double(length * (length + 1)) / 2
    let shape = "\(sequences) x \(length) tokens, \(sizes.numAttentionHeads) heads of \(sizes.headDim)"
    let (rows, held) = (decodingRows.max() ?? 1, 256)
    let cache = (bf16(rows * held, keyWidth), bf16(rows * held, keyWidth))
    let decoding = (0..<rows).map {
      AttentionSegment(queryStart: $0, queryCount: 1, keyStart: $0 * held, keyCount: held)
    }
    let query = bf16(rows, queryWidth)
    return [
      timing.rate("attention, forward, \(shape)", .gigaflops, amount: 2 * product) {
        _ = kernels.attentionForward(q, k, v, heads, segments: segments)
      },
      timing.rate("attention, backward, \(shape)", .gigaflops, amount: 5 * product) {
        _ = kernels.attentionBackward(q, q, k, v, o: o, logSumExp: logSumExp, heads, segments: segments)
      },
      timing.rate(
        "attention, decoding, \(rows) rows over \(held) keys", .gigabytes,
        amount: Double(cache.0.byteCount + cache.1.byteCount)
      ) { _ = kernels.attentionForward(query, cache.0, cache.1, heads, segments: decoding) },
    ]
  }

  /// The map to the vocabulary: loss with gradients, and arg max in decoding.
  func vocabulary(_ kernels: any Kernels, _ timing: Timing) -> [JSONObject] {
    let (count, width) = (sizes.vocabSize, sizes.hiddenSize)
    let table = bf16(count, width)
    let hidden = bf16(targets, width)
    let ids = kernels.placed(Tensor((0..<targets).map { Int32($0 * 7919 % count) }))
    let product = 2 * Double(targets * width) * Double(count)
    let shape = "\(targets) x \(width) x \(count)"
    func loss(_ dTable: Tensor?) {
      let options = CrossEntropyOptions(
        softCap: sizes.finalLogitSoftcapping, gradientScale: 1 / Float(targets), dTable: dTable)
      _ = kernels.linearCrossEntropy(hidden, table, targets: ids, options)
    }
    var results = [
      timing.rate("cross-entropy with dHidden, \(shape)", .gigaflops, amount: 2 * product) { loss(nil) }
    ]
    let dTable = kernels.zeros([count, width], .float32)
    results.append(
      timing.rate("cross-entropy with dHidden and dTable, \(shape)", .gigaflops, amount: 3 * product) {
        loss(dTable)
      })
    let vocabulary = kernels.vocabularySearch(table, searches: 1000)
    return results
      + decodingRows.map { batch in
        let rows = bf16(batch, width)
        return timing.rate(
          "arg max of logits, \(rowsText(batch)), \(width) x \(count)", .gigabytes,
          amount: Double(table.byteCount)
        ) { _ = vocabulary.argmax(rows) }
      }
  }

  /// Kernels that move or norm rows.
  func rows(_ kernels: any Kernels, _ timing: Timing) -> [JSONObject] {
    let width = sizes.hiddenSize
    let (x, weight, q) = (bf16(tokens, width), bf16(width), bf16(tokens, queryWidth))
    let table = bf16(sizes.vocabSize, width)
    let ids = kernels.placed(Tensor((0..<tokens).map { Int32($0 * 7919 % sizes.vocabSize) }))
    let picked = kernels.placed(Tensor((0..<targets).map { Int32($0 * 2) }))
    let positions = kernels.placed(Tensor((0..<tokens).map { Int32($0 % length) }))
    let rotary = RotaryTable(headDim: sizes.headDim, theta: 10_000, linearScale: 1)
    let dTable = kernels.zeros([sizes.vocabSize, width], .float32)
    let (_, rstd) = kernels.rmsNormForward(x, weight, epsilon: 1e-6)
    let half = x.rows(0..<targets)
    let shape = "\(tokens) x \(width)"
    let bytes = Double(x.byteCount)
    return [
      timing.rate("embedding, forward, \(shape)", .gigabytes, amount: 2 * bytes) {
        _ = kernels.embeddingForward(ids, table, scale: 25)
      },
      timing.rate("embedding, backward, \(shape)", .gigabytes, amount: 5 * bytes) {
        kernels.embeddingBackward(x, ids, scale: 25, into: dTable)
      },
      timing.rate("RMS norm, forward, \(shape)", .gigabytes, amount: 2 * bytes) {
        _ = kernels.rmsNormForward(x, weight, epsilon: 1e-6)
      },
      timing.rate("RMS norm, backward, \(shape)", .gigabytes, amount: 3 * bytes) {
        _ = kernels.rmsNormBackward(x, x, weight, rstd: rstd, dSum: nil, dWeight: nil)
      },
      timing.rate("rotary embedding, \(tokens) x \(queryWidth)", .gigabytes, amount: 2 * Double(q.byteCount))
      {
        _ = kernels.rotated(q, positions: positions, rotary, .forward)
      },
      timing.rate("gather rows, \(targets) of \(shape)", .gigabytes, amount: bytes) {
        _ = kernels.gathered(x, rows: picked)
      },
      timing.rate("scatter rows, \(targets) to \(shape)", .gigabytes, amount: 1.5 * bytes) {
        _ = kernels.scattered(half, rows: picked, count: tokens)
      },
      timing.rate("copy rows into the cache, \(targets) x \(width)", .gigabytes, amount: bytes) {
        kernels.copy(half, toRows: picked, of: x)
      },
    ]
  }

  /// Kernels that go element by element.
  func elementwise(_ kernels: any Kernels, _ timing: Timing) -> [JSONObject] {
    let (x, gate) = (bf16(tokens, sizes.hiddenSize), bf16(tokens, sizes.intermediateSize))
    let up = bf16(tokens, sizes.intermediateSize)
    let sum = kernels.zeros(x.shape, .float32)
    let key = RandomKey(seed: 1, stream: 1)
    let (narrow, wide) = (
      "\(tokens) x \(sizes.hiddenSize)", "\(tokens) x \(sizes.intermediateSize)"
    )
    let (bytes, wideBytes) = (Double(x.byteCount), Double(gate.byteCount))
    return [
      timing.rate("GeGLU, forward, \(wide)", .gigabytes, amount: 3 * wideBytes) {
        _ = kernels.gegluForward(gate, up)
      },
      timing.rate("GeGLU, backward, \(wide)", .gigabytes, amount: 5 * wideBytes) {
        _ = kernels.gegluBackward(gate, gate, up)
      },
      timing.rate("add, \(narrow)", .gigabytes, amount: 3 * bytes) { _ = kernels.add(x, x) },
      timing.rate("accumulate in float32, \(narrow)", .gigabytes, amount: 5 * bytes) {
        kernels.accumulate(x, into: sum)
      },
      timing.rate("convert to float32, \(narrow)", .gigabytes, amount: 3 * bytes) {
        _ = kernels.converted(x, to: .float32, scale: 1)
      },
      timing.rate("dropout, \(narrow)", .gigabytes, amount: 2 * bytes) {
        _ = kernels.dropped(x, probability: 0.1, key: key)
      },
      timing.rate("copy, \(wide)", .gigabytes, amount: 2 * wideBytes) { kernels.copy(gate, to: up) },
      timing.rate("clear, \(wide)", .gigabytes, amount: wideBytes) { kernels.clear(up) },
      timing.rate("sum, \(narrow) float32", .gigabytes, amount: 2 * bytes) { _ = kernels.sum(sum) },
    ]
  }

  /// The optimizer on one weight of the MLP, with a float32 master copy, and the norm of its gradient.
  func optimizer(_ kernels: any Kernels, _ timing: Timing) -> [JSONObject] {
    let (rowCount, width) = (sizes.intermediateSize, sizes.hiddenSize)
    let (master, gradient) = (float32(rowCount, width), float32(rowCount, width))
    let count = master.count
    let blocks = AdamWMoments.blockCount(count)
    let update = AdamWUpdate(
      parameter: master, gradient: gradient, weights: bf16(rowCount, width), rounding: .nearest,
      step: AdamWStep(
        step: 1, learningRate: 1e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, gradientScale: 1
      ))
    let eightBit = AdamWMoments.codes(
      codes1: kernels.zeros([count], .uint8), codes2: kernels.zeros([count], .uint8),
      absmax1: kernels.zeros([blocks], .float32), absmax2: kernels.zeros([blocks], .float32))
    let float32Moments = AdamWMoments.float32(
      moment1: kernels.zeros([count], .float32), moment2: kernels.zeros([count], .float32))
    let shape = "\(rowCount) x \(width)"
    // An element's gradient, its master read and written, its bfloat16 weight compared and written: 16 bytes; and
    // two moments read and written.
    return [
      timing.rate("AdamW, 8-bit moments, \(shape)", .gigabytes, amount: Double(count * (16 + 4))) {
        _ = kernels.adamW([(update, eightBit)], clip: nil)
      },
      timing.rate("AdamW, float32 moments, \(shape)", .gigabytes, amount: Double(count * (16 + 16))) {
        _ = kernels.adamW([(update, float32Moments)], clip: nil)
      },
      timing.rate("sum of squares, \(shape)", .gigabytes, amount: Double(gradient.byteCount)) {
        _ = kernels.gradientNorms([gradient], maxNorm: 1)
      },
    ]
  }
}
