import Tensors

/// The operations that are compared, and the shapes at which they are.
struct AgreementShapes {
  /// Tokens of each sequence.
  var lengths: [Int]
  /// D, F, N, K, H, V and R.
  var hidden: Int, inner: Int, heads: Int, keyValueHeads: Int, headDim: Int, vocabulary: Int, rank: Int

  /// Gemma 2B's widths but for F and V, and sequences of GSM8K's lengths.
  static let usual = AgreementShapes(
    lengths: [190, 1, 67, 301], hidden: 2048, inner: 4096, heads: 8, keyValueHeads: 1, headDim: 256,
    vocabulary: 5003, rank: 16)
  /// Small and odd.
  static let quick = AgreementShapes(
    lengths: [17, 1, 30], hidden: 64, inner: 96, heads: 2, keyValueHeads: 1, headDim: 64, vocabulary: 131,
    rank: 4)

  /// T, N·H and K·H.
  var tokens: Int { lengths.reduce(0, +) }
  var queryWidth: Int { heads * headDim }
  var keyWidth: Int { keyValueHeads * headDim }

  /// Every operation in both dtypes.
  var cases: [AgreementCase] {
    [DType.float32, .bfloat16].flatMap { dtype in
      products(dtype) + rows(dtype) + attention(dtype) + elementwise(dtype) + vocabulary(dtype)
    } + optimizer
  }

  private func products(_ dtype: DType) -> [AgreementCase] {
    [
      .init(name: "linear, forward", dtype: dtype) { inputs in
        let (x, weight) = (inputs.random([tokens, hidden]), inputs.weight(inner, hidden))
        let y = inputs.kernels.uninitialized([tokens, inner], dtype)
        inputs.kernels.multiply(.stored(x), .transposed(weight), scale: 1, .replacing, y)
        return [.init(y)]
      },
      .init(name: "linear, dX", dtype: dtype) { inputs in
        let (dY, weight) = (inputs.random([tokens, inner]), inputs.weight(inner, hidden))
        let dX = inputs.kernels.uninitialized([tokens, hidden], dtype)
        inputs.kernels.multiply(.stored(dY), .stored(weight), scale: 1, .replacing, dX)
        return [.init(dX)]
      },
      .init(name: "linear, dWeight added", dtype: dtype) { inputs in
        let (dY, x) = (inputs.random([tokens, inner]), inputs.random([tokens, hidden]))
        let dWeight = inputs.random([inner, hidden], .float32)
        inputs.kernels.multiply(.transposed(dY), .stored(x), scale: 1, .adding, dWeight)
        return [.init(dWeight)]
      },
      .init(name: "linear, one row and three", dtype: dtype) { inputs in
        let weight = inputs.weight(inner, hidden)
        return [1, 3].map { count in
          let y = inputs.kernels.uninitialized([count, inner], dtype)
          inputs.kernels.multiply(
            .stored(inputs.random([count, hidden])), .transposed(weight), scale: 1, .replacing, y)
          return .init(y)
        }
      },
      .init(name: "adapter: x A, y + x A B, dA, dB", dtype: dtype) { inputs in adapter(inputs) },
    ]
  }

  /// The four products of a low-rank adapter: float32 matrices beside activations of the case's dtype.
  private func adapter(_ inputs: AgreementInputs) -> [AgreementResult] {
    let kernels = inputs.kernels
    let (x, y) = (inputs.random([tokens, hidden]), inputs.random([tokens, inner]))
    let (a, b) = (inputs.weight(rank, hidden, .float32), inputs.weight(inner, rank, .float32))
    let product = kernels.uninitialized([tokens, rank], .float32)
    kernels.multiply(.stored(x), .transposed(a), scale: 1, .replacing, product)
    let (dA, dB) = (inputs.zeros([rank, hidden]), inputs.zeros([inner, rank]))
    kernels.multiply(.transposed(product), .stored(x), scale: 1, .adding, dA)
    kernels.multiply(.transposed(y), .stored(product), scale: 2, .adding, dB)
    kernels.multiply(.stored(product), .transposed(b), scale: 2, .adding, y)
    return [product, dA, dB, y].map { .init($0) }
  }

  private func rows(_ dtype: DType) -> [AgreementCase] {
    let picked = (0..<tokens / 2).map { $0 * 2 }
    return [
      .init(name: "embedding, forward", dtype: dtype) { inputs in
        let table = inputs.random([vocabulary, hidden])
        return [.init(inputs.kernels.embeddingForward(ids(inputs), table, scale: 45.25))]
      },
      .init(name: "embedding, backward", dtype: dtype) { inputs in
        let dTable = inputs.random([vocabulary, hidden], .float32)
        inputs.kernels.embeddingBackward(
          inputs.random([tokens, hidden]), ids(inputs), scale: 45.25, into: dTable)
        return [.init(dTable)]
      },
      .init(name: "RMS norm, forward and backward", dtype: dtype) { inputs in norms(inputs) },
      .init(name: "rotary embedding, both ways", dtype: dtype) { inputs in
        let x = inputs.random([tokens, queryWidth])
        let positions = inputs.ints(lengths.flatMap { 0..<$0 })
        let table = RotaryTable(headDim: headDim, theta: 10_000, linearScale: 1)
        return [Direction.forward, .backward].map {
          .init(inputs.kernels.rotated(x, positions: positions, table, $0))
        }
      },
      .init(name: "gather, scatter and copy rows", dtype: dtype) { inputs in
        let (x, target) = (inputs.random([tokens, hidden]), inputs.random([tokens, hidden]))
        let indices = inputs.ints(picked)
        let gathered = inputs.kernels.gathered(x, rows: indices)
        inputs.kernels.copy(gathered, toRows: indices, of: target)
        return [gathered, inputs.kernels.scattered(gathered, rows: indices, count: tokens), target].map {
          .init($0, .exact)
        }
      },
    ]
  }

  /// The norm alone, and with the additions that join it both ways.
  private func norms(_ inputs: AgreementInputs) -> [AgreementResult] {
    let kernels = inputs.kernels
    let (x, dY) = (inputs.random([tokens, hidden]), inputs.random([tokens, hidden]))
    let weight = inputs.random([hidden])
    let (y, rstd) = kernels.rmsNormForward(x, weight, epsilon: 1e-6)
    let dWeight = inputs.zeros([hidden])
    let dX = kernels.rmsNormBackward(dY, x, weight, rstd: rstd, dSum: nil, dWeight: dWeight)
    let other = inputs.random([tokens, hidden])
    let both = kernels.addRMSNormForward(x, other, weight, epsilon: 1e-6)
    let total = kernels.rmsNormBackward(dY, x, weight, rstd: rstd, dSum: other, dWeight: nil)
    return [y, rstd, dX, dWeight, both.sum, both.y, both.rstd, total].map { .init($0) }
  }

  /// Ids among which some come twice.
  private func ids(_ inputs: AgreementInputs) -> Tensor {
    inputs.ints((0..<tokens).map { $0 / 2 * 7919 % vocabulary })
  }

  private func elementwise(_ dtype: DType) -> [AgreementCase] {
    [
      .init(name: "GeGLU, forward and backward", dtype: dtype) { inputs in
        let (gate, up) = (inputs.random([tokens, inner], amplitude: 4), inputs.random([tokens, inner]))
        let (dGate, dUp) = inputs.kernels.gegluBackward(inputs.random([tokens, inner]), gate, up)
        return [inputs.kernels.gegluForward(gate, up), dGate, dUp].map { .init($0) }
      },
      .init(name: "add, accumulate, convert, dropout", dtype: dtype) { inputs in
        let (a, b) = (inputs.random([tokens, hidden]), inputs.random([tokens, hidden]))
        let sum = inputs.random([tokens, hidden], .float32)
        inputs.kernels.accumulate(a, into: sum)
        let other: DType = dtype == .float32 ? .bfloat16 : .float32
        return [
          .init(inputs.kernels.add(a, b), .exact), .init(sum, .exact),
          .init(inputs.kernels.converted(a, to: other, scale: 0.5), .exact),
          .init(inputs.kernels.dropped(a, probability: 0.1, key: RandomKey(seed: 3, stream: 4))),
        ]
      },
      .init(name: "copy, clear, sum", dtype: dtype) { inputs in
        let (x, copy) = (inputs.random([tokens, hidden]), inputs.random([tokens, hidden]))
        inputs.kernels.copy(x, to: copy)
        let cleared = inputs.random([tokens, hidden])
        inputs.kernels.clear(cleared)
        return [
          .init(copy, .exact), .init(cleared, .exact),
          .init(inputs.kernels.sum(inputs.random([tokens], .float32))),
        ]
      },
    ]
  }
}
