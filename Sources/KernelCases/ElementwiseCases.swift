import Tensors

extension KernelCases {
  /// Kernels that go element by element.
  func elementwise(_ dtype: DType) -> [KernelCase] { geglu(dtype) + sums(dtype) + copies(dtype) }

  private func geglu(_ dtype: DType) -> [KernelCase] {
    let shape = [sizes.tokens, sizes.inner]
    let (wide, bytes) = ("\(shape[0]) x \(shape[1])", Double(shape[0] * shape[1] * dtype.byteCount))
    let gate = CaseInput.random(shape, dtype, amplitude: 4)
    let other = CaseInput.random(shape, dtype)
    return [
      KernelCase("GeGLU, forward", dtype, [gate, other]) { [$0.gegluForward($1[0], $1[1])] }
        .checked { x in [zip(x[0].values, x[1].values).map { gelu($0).value * $1 }] }
        .timed(wide, .bytes, 3 * bytes),
      KernelCase("GeGLU, backward", dtype, [gate, other, other]) { kernels, x in
        let (dGate, dUp) = kernels.gegluBackward(x[2], x[0], x[1])
        return [dGate, dUp]
      }.checked { x in
        let (gate, up, dY) = (x[0].values, x[1].values, x[2].values)
        return [
          gate.indices.map { dY[$0] * up[$0] * gelu(gate[$0]).slope },
          gate.indices.map { dY[$0] * gelu(gate[$0]).value },
        ]
      }.timed(wide, .bytes, 5 * bytes),
    ]
  }

  private func sums(_ dtype: DType) -> [KernelCase] {
    let shape = [sizes.tokens, sizes.hidden]
    let (narrow, bytes) = ("\(shape[0]) x \(shape[1])", Double(shape[0] * shape[1] * dtype.byteCount))
    let x = CaseInput.random(shape, dtype, amplitude: 3)
    // A sum of two numbers is exact until it is rounded: by half a unit of the last of 8 or 24 bits.
    let oneRounding = CaseTolerance(
      gpu: .exact, simulated: 0, truth: dtype == .bfloat16 ? 0x1p-8 : 0x1p-24)
    let key = RandomKey(seed: 3, stream: 4)
    return [
      KernelCase("add", dtype, [x, x]) { [$0.add($1[0], $1[1])] }
        .checked { x in [zip(x[0].values, x[1].values).map(+)] }.tolerating([oneRounding])
        .timed(narrow, .bytes, 3 * bytes),
      KernelCase("accumulate in float32", dtype, [x, .random(shape, .float32)]) { kernels, x in
        kernels.accumulate(x[0], into: x[1])
        return [x[1]]
      }.checked { x in [zip(x[0].values, x[1].values).map(+)] }
        .tolerating([.init(gpu: .exact, simulated: 0, truth: 0x1p-24)]).timed(narrow, .bytes, 5 * bytes),
      KernelCase("convert to float32", dtype, [x]) { [$0.converted($1[0], to: .float32, scale: 1)] }
        .checked { [$0[0].values] }.tolerating([.exact]).timed(narrow, .bytes, 3 * bytes),
      KernelCase("convert and scale", dtype, [x]) { kernels, x in
        [
          kernels.converted(x[0], to: .float32, scale: 0.5),
          kernels.converted(x[0], to: .bfloat16, scale: -2),
        ]
      }.checked { x in [x[0].values.map { 0.5 * $0 }, x[0].values.map { -2 * $0 }] }
        .tolerating([.exact, .init(gpu: .exact, simulated: 0, truth: 0x1p-8)]),
      // 1 / (1 - p) is rounded to float32 before it multiplies.
      KernelCase("dropout", dtype, [x]) { [$0.dropped($1[0], probability: 0.1, key: key)] }
        .checked { x in
          [
            x[0].values.enumerated().map {
              key.uniform(at: UInt64($0)) < 0.1 ? 0 : $1 / (1 - Double(Float(0.1)))
            }
          ]
        }.tolerating([
          .init(gpu: Tolerance(dtype), simulated: 0, truth: dtype == .bfloat16 ? 0x1p-8 * 1.01 : 0x1p-22)
        ]).timed(narrow, .bytes, 2 * bytes),
    ]
  }

  private func copies(_ dtype: DType) -> [KernelCase] {
    let shape = [sizes.tokens, sizes.inner]
    let (wide, bytes) = ("\(shape[0]) x \(shape[1])", Double(shape[0] * shape[1] * dtype.byteCount))
    let narrow = [sizes.tokens, sizes.hidden]
    let x = CaseInput.random(shape, dtype)
    return [
      KernelCase("copy", dtype, [x, x]) { kernels, x in
        kernels.copy(x[0], to: x[1])
        return [x[1]]
      }.checked { [$0[0].values] }.tolerating([.exact]).timed(wide, .bytes, 2 * bytes),
      KernelCase("clear", dtype, [x]) { kernels, x in
        kernels.clear(x[0])
        return [x[0]]
      }.checked { [$0[0].values.map { _ in 0 }] }.tolerating([.exact]).timed(wide, .bytes, bytes),
      // Summed in float64 and rounded once.
      KernelCase("sum", dtype, [.random(narrow, .float32)]) { [$0.sum($1[0])] }
        .checked { [[$0[0].values.reduce(0, +)]] }
        .timed("\(narrow[0]) x \(narrow[1]) float32", .bytes, 4 * Double(narrow[0] * narrow[1])),
    ]
  }
}
