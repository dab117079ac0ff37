import Tensors

extension KernelCases {
  /// Matrix products: the linear maps of a layer, those of decoding, an adapter's, and every form.
  func products(_ dtype: DType) -> [KernelCase] {
    maps.flatMap { linear($0, $1, $2, dtype) } + sizes.decodingRows.map { thin($0, dtype) }
      + adapter(dtype) + [DType.float32, .bfloat16].map { forms(dtype, result: $0) }
  }

  private var maps: [(name: String, input: Int, output: Int)] {
    let (width, inner) = (sizes.hidden, sizes.inner)
    return [
      ("query", width, sizes.queryWidth), ("output", sizes.queryWidth, width), ("gate", width, inner),
      ("down", inner, width),
    ]
  }

  /// One linear map: forward, gradient of the input, gradient of the weight.
  private func linear(_ name: String, _ input: Int, _ output: Int, _ dtype: DType) -> [KernelCase] {
    let tokens = sizes.tokens
    let shape = "\(tokens) x \(input) x \(output)"
    let amount = 2 * Double(tokens * input * output)
    let (x, y) = (CaseInput.random([tokens, input], dtype), CaseInput.random([tokens, output], dtype))
    let weight = CaseInput.weight(output, input, dtype)
    return [
      KernelCase("linear \(name), forward", dtype, [x, weight, y]) { kernels, x in
        kernels.multiply(.stored(x[0]), .transposed(x[1]), scale: 1, .replacing, x[2])
        return [x[2]]
      }.checked { [product($0[0], $0[1].transposed)] }.timed(shape, .operations, amount),
      KernelCase("linear \(name), dX", dtype, [y, weight, x]) { kernels, x in
        kernels.multiply(.stored(x[0]), .stored(x[1]), scale: 1, .replacing, x[2])
        return [x[2]]
      }.checked { [product($0[0], $0[1])] }.timed(shape, .operations, amount),
      KernelCase("linear \(name), dWeight", dtype, [y, x, .random([output, input], .float32)]) { kernels, x in
        kernels.multiply(.transposed(x[0]), .stored(x[1]), scale: 1, .adding, x[2])
        return [x[2]]
      }.checked { [product($0[0].transposed, $0[1], addedTo: $0[2])] }.timed(shape, .operations, amount),
    ]
  }

  /// The gate of every layer in turn, as a decoding step meets them: one alone would stay in the cache.
  private func thin(_ rows: Int, _ dtype: DType) -> KernelCase {
    let (width, inner) = (sizes.hidden, sizes.inner)
    let weights = [CaseInput](repeating: .weight(inner, width, dtype), count: sizes.layers)
    let inputs = [.random([rows, width], dtype), .random([rows, inner], dtype)] + weights
    return KernelCase("linear gate of all layers", dtype, inputs) { kernels, x in
      for weight in x[2...] {
        kernels.multiply(.stored(x[0]), .transposed(weight), scale: 1, .replacing, x[1])
      }
      return [x[1]]
    }
    .checked { x in [product(x[0], x[x.count - 1].transposed)] }
    .timed(
      "\(rowsText(rows)), \(width) x \(inner)", .bytes,
      Double(sizes.layers * inner * width * dtype.byteCount))
  }

  /// The four products of a low-rank adapter: float32 matrices beside activations.
  private func adapter(_ dtype: DType) -> [KernelCase] {
    let (tokens, rank, width) = (sizes.tokens, sizes.rank, sizes.inner)
    let amount = 2 * Double(tokens * rank * width)
    let x = CaseInput.random([tokens, width], dtype)
    let inner = CaseInput.random([tokens, rank], .float32)
    let (a, b) = (CaseInput.weight(rank, width, .float32), CaseInput.weight(width, rank, .float32))
    return [
      KernelCase("adapter, x A", dtype, [x, a, inner]) { kernels, x in
        kernels.multiply(.stored(x[0]), .transposed(x[1]), scale: 1, .replacing, x[2])
        return [x[2]]
      }.checked { [product($0[0], $0[1].transposed)] }
        .timed("\(tokens) x \(width) x \(rank)", .operations, amount),
      KernelCase("adapter, added x A B", dtype, [inner, b, x]) { kernels, x in
        kernels.multiply(.stored(x[0]), .transposed(x[1]), scale: 2, .adding, x[2])
        return [x[2]]
      }.checked { [product($0[0], $0[1].transposed, scale: 2, addedTo: $0[2])] }
        .timed("\(tokens) x \(rank) x \(width)", .operations, amount),
      KernelCase("adapter, dA", dtype, [inner, x, .random([rank, width], .float32)]) { kernels, x in
        kernels.multiply(.transposed(x[0]), .stored(x[1]), scale: 1, .adding, x[2])
        return [x[2]]
      }.checked { [product($0[0].transposed, $0[1], addedTo: $0[2])] }
        .timed("\(rank) x \(tokens) x \(width)", .operations, amount),
      KernelCase("adapter, dB", dtype, [x, inner, .random([width, rank], .float32)]) { kernels, x in
        kernels.multiply(.transposed(x[0]), .stored(x[1]), scale: 2, .adding, x[2])
        return [x[2]]
      }.checked { [product($0[0].transposed, $0[1], scale: 2, addedTo: $0[2])] },
    ]
  }

  /// Factors as stored and transposed, each product replacing a result and added to it.
  private func forms(_ dtype: DType, result: DType) -> KernelCase {
    let (rows, inner, columns) = (sizes.tokens, sizes.hidden, sizes.inner)
    return KernelCase(
      "matrix products of every form, to \(result)", dtype,
      [
        .random([rows, inner], dtype), .weight(columns, inner, dtype), .random([inner, rows], dtype),
        .random([inner, columns], dtype, amplitude: 0.25), .random([rows, columns], result),
      ]
    ) { kernels, x in
      let pairs: [(Operand, Operand)] = [
        (.stored(x[0]), .stored(x[3])), (.stored(x[0]), .transposed(x[1])),
        (.transposed(x[2]), .stored(x[3])), (.transposed(x[2]), .transposed(x[1])),
      ]
      return pairs.flatMap { left, right in
        [Store.replacing, .adding].map { store in
          let y = kernels.copied(x[4])
          kernels.multiply(left, right, scale: 0.5, store, y)
          return y
        }
      }
    }.checked { x in
      let pairs = [
        (x[0], x[3]), (x[0], x[1].transposed), (x[2].transposed, x[3]), (x[2].transposed, x[1].transposed),
      ]
      return pairs.flatMap { left, right in
        [nil, x[4]].map { product(left, right, scale: 0.5, addedTo: $0) }
      }
    }
  }
}
