import Tensors

extension KernelCases {
  /// Kernels that look rows up, move them, or norm them.
  func rows(_ dtype: DType) -> [KernelCase] {
    embedding(dtype) + norms(dtype) + rotary(dtype) + moves(dtype)
  }

  /// "T x D", and the bytes of such a tensor.
  private func narrow(_ dtype: DType) -> (text: String, bytes: Double) {
    ("\(sizes.tokens) x \(sizes.hidden)", Double(sizes.tokens * sizes.hidden * dtype.byteCount))
  }

  private func embedding(_ dtype: DType) -> [KernelCase] {
    let (width, count) = (sizes.hidden, sizes.vocabulary)
    let (text, bytes) = narrow(dtype)
    let ids = CaseInput.ints((0..<sizes.tokens).map { $0 * 7919 % count })
    // Each id comes twice, in another order than that of the rows.
    let twice = CaseInput.ints((0..<sizes.tokens).map { $0 / 2 * 7919 % count })
    let dTable = CaseInput.random([count, width], .float32)
    let dY = CaseInput.random([sizes.tokens, width], dtype)
    func backward(_ name: String, _ ids: CaseInput) -> KernelCase {
      KernelCase(name, dtype, [dY, ids, dTable]) { kernels, x in
        kernels.embeddingBackward(x[0], x[1], scale: 25, into: x[2])
        return [x[2]]
      }.checked { x in [addedRows(x[0], to: x[2], at: x[1].ints, scale: 25)] }
    }
    return [
      KernelCase("embedding, forward", dtype, [ids, .random([count, width], dtype)]) {
        [$0.embeddingForward($1[0], $1[1], scale: 25)]
      }.checked { x in [pickedRows(x[1], x[0].ints).map { 25 * $0 }] }.timed(text, .bytes, 2 * bytes),
      backward("embedding, backward", ids).timed(text, .bytes, 5 * bytes),
      backward("embedding, backward, each id twice", twice),
    ]
  }

  private func norms(_ dtype: DType) -> [KernelCase] {
    let (text, bytes) = narrow(dtype)
    let x = CaseInput.random([sizes.tokens, sizes.hidden], dtype, amplitude: 2)
    let weight = CaseInput.random([sizes.hidden], dtype, amplitude: 0.5)
    let inputs = [x, weight, x]
    return [
      KernelCase("RMS norm, forward", dtype, inputs) { kernels, x in
        let (y, rstd) = kernels.rmsNormForward(x[0], x[1], epsilon: 1e-6)
        return [y, rstd]
      }.checked { x in rmsNorm(x[0], x[1]) }.timed(text, .bytes, 2 * bytes),
      KernelCase("add and RMS norm", dtype, inputs) { kernels, x in
        let (sum, y, rstd) = kernels.addRMSNormForward(x[0], x[2], x[1], epsilon: 1e-6)
        return [sum, y, rstd]
      }.checked { x in
        let sum = Numbers(x[0].shape, zip(x[0].values, x[2].values).map(+)).rounded(to: dtype)
        return [sum.values] + rmsNorm(sum, x[1])
      },
      KernelCase(
        "RMS norm, backward", dtype, inputs,
        prepare: { kernels, x in
          let rstd = kernels.rmsNormForward(x[0], x[1], epsilon: 1e-6).rstd
          return { [kernels.rmsNormBackward(x[2], x[0], x[1], rstd: rstd, dSum: nil, dWeight: nil)] }
        }
      ).checked { x in [rmsNormGradients(x[2], x[0], x[1])[0]] }
        .tolerating(normGradient(dtype)).timed(text, .bytes, 3 * bytes),
      KernelCase(
        "RMS norm, backward with dSum and dWeight", dtype,
        inputs + [x, .random([sizes.hidden], .float32)]
      ) { kernels, x in
        let rstd = kernels.rmsNormForward(x[0], x[1], epsilon: 1e-6).rstd
        return [
          kernels.rmsNormBackward(x[2], x[0], x[1], rstd: rstd, dSum: x[3], dWeight: x[4]), x[4],
        ]
      }.checked { x in
        let gradients = rmsNormGradients(x[2], x[0], x[1])
        return [zip(gradients[0], x[3].values).map(+), zip(gradients[1], x[4].values).map(+)]
      }.tolerating([gradientAndSum(dtype), CaseTolerance(.float32)]),
    ]
  }

  /// The CPU rounds the norm's gradient to bfloat16 before it adds `dSum`: two roundings.
  private func gradientAndSum(_ dtype: DType) -> CaseTolerance {
    var tolerance = normGradient(dtype).first ?? CaseTolerance(dtype)
    if dtype == .bfloat16 { tolerance.truth *= 2 }
    return tolerance
  }

  /// Of rows of one element, the gradient is a small difference of two large numbers.
  private func normGradient(_ dtype: DType) -> [CaseTolerance] {
    guard sizes.hidden == 1 else { return [] }
    let usual = CaseTolerance(dtype)
    return [.init(gpu: usual.gpu, simulated: max(1e-4, usual.simulated), truth: max(1e-3, usual.truth))]
  }

  private func rotary(_ dtype: DType) -> [KernelCase] {
    let (tokens, width) = (sizes.tokens, sizes.queryWidth)
    let table = RotaryTable(headDim: sizes.headDim, theta: 10_000, linearScale: 1)
    let x = CaseInput.random([tokens, width], dtype)
    let positions = CaseInput.ints(sizes.lengths.flatMap { 0..<$0 })
    let far = CaseInput.ints((0..<tokens).map { $0 * 307 % 1009 })
    return [
      KernelCase("rotary embedding", dtype, [x, positions]) {
        [$0.rotated($1[0], positions: $1[1], table, .forward)]
      }.checked { x in [rotated(x[0], x[1].ints, table, .forward)] }
        .timed("\(tokens) x \(width)", .bytes, 2 * Double(tokens * width * dtype.byteCount)),
      KernelCase("rotary embedding, both ways, far positions", dtype, [x, far]) { kernels, x in
        [Direction.forward, .backward].map { kernels.rotated(x[0], positions: x[1], table, $0) }
      }.checked { x in [Direction.forward, .backward].map { rotated(x[0], x[1].ints, table, $0) } },
    ]
  }

  private func moves(_ dtype: DType) -> [KernelCase] {
    let (tokens, targets, width) = (sizes.tokens, sizes.targets, sizes.hidden)
    let (text, bytes) = narrow(dtype)
    let (x, half) = (CaseInput.random([tokens, width], dtype), CaseInput.random([targets, width], dtype))
    let picked = CaseInput.ints((0..<targets).map { $0 * 2 })
    // The CPU rounds after each row that it adds.
    var several = CaseTolerance(dtype)
    several.truth *= 2
    return [
      KernelCase("gather rows", dtype, [x, picked]) { [$0.gathered($1[0], rows: $1[1])] }
        .checked { x in [pickedRows(x[0], x[1].ints)] }.tolerating([.exact])
        .timed("\(targets) of \(text)", .bytes, bytes),
      KernelCase("scatter rows", dtype, [half, picked]) { [$0.scattered($1[0], rows: $1[1], count: tokens)] }
        .checked { x in [addedRows(x[0], to: zeros([tokens, width]), at: x[1].ints)] }.tolerating([.exact])
        .timed("\(targets) to \(text)", .bytes, 1.5 * bytes),
      KernelCase(
        "scatter rows, some to one place", dtype, [half, .ints((0..<targets).map { $0 * 5 % tokens / 2 })]
      ) { [$0.scattered($1[0], rows: $1[1], count: tokens)] }
      .checked { x in [addedRows(x[0], to: zeros([tokens, width]), at: x[1].ints)] }
      .tolerating([several]),
      KernelCase("copy rows into the cache", dtype, [half, picked, x]) { kernels, x in
        kernels.copy(x[0], toRows: x[1], of: x[2])
        return [x[2]]
      }.checked { x in [replacedRows(x[0], of: x[2], at: x[1].ints)] }.tolerating([.exact])
        .timed("\(targets) x \(width)", .bytes, bytes),
    ]
  }
}
