import Tensors

/// One tensor that AdamW updates.
private struct AdamWForm {
  var shape: Shape
  var eightBit = true
  /// Of the parameter itself; nil for bfloat16 weights with a float32 master copy.
  var rounding: Rounding?
  /// Of weights and gradient.
  var weights = DType.bfloat16, gradient = DType.float32

  var count: Int { shape.reduce(1, *) }

  /// The weights, and the gradients of three steps.
  var inputs: [CaseInput] {
    [.random(shape, weights, amplitude: 0.1)]
      + [CaseInput](repeating: .random(shape, gradient, amplitude: 1e-3), count: 3)
  }

  func moments(_ kernels: any Kernels) -> AdamWMoments {
    func zeros(_ count: Int, _ dtype: DType) -> Tensor { kernels.zeros([count], dtype) }
    guard eightBit else { return .float32(moment1: zeros(count, .float32), moment2: zeros(count, .float32)) }
    let blocks = AdamWMoments.blockCount(count)
    return .codes(
      codes1: zeros(count, .uint8), codes2: zeros(count, .uint8), absmax1: zeros(blocks, .float32),
      absmax2: zeros(blocks, .float32))
  }
}

/// A tensor between two steps.
private struct AdamWState {
  let form: AdamWForm
  let weights: Tensor, parameter: Tensor, moments: AdamWMoments

  /// Before the first step.
  init(_ form: AdamWForm, weights: Tensor, _ kernels: any Kernels) {
    self.form = form
    self.weights = weights
    parameter = form.rounding == nil ? kernels.converted(weights, to: .float32, scale: 1) : weights
    moments = form.moments(kernels)
  }

  func update(_ gradient: Tensor, _ step: AdamWStep) -> AdamWUpdate {
    AdamWUpdate(
      parameter: parameter, gradient: gradient, weights: form.rounding == nil ? weights : nil,
      rounding: form.rounding ?? .nearest, step: step)
  }

  /// Parameter, weights and moments.
  var results: [Tensor] { [parameter, weights] + moments.tensors.map(\.tensor) }
}

extension KernelCases {
  /// The optimizer: three steps of AdamW in every form, and the norms that clip.
  var optimizer: [KernelCase] {
    let (rows, width) = (sizes.inner, sizes.hidden)
    let text = "\(rows) x \(width)"
    let whole = AdamWForm(shape: [rows, width])
    // Of a size that ends within a block of moments.
    let odd = AdamWForm(shape: [rows / 4 + 1, width / 4 + 3])
    func changed(_ form: AdamWForm, _ change: (inout AdamWForm) -> Void) -> AdamWForm {
      var form = form
      change(&form)
      return form
    }
    let float32 = changed(odd) { ($0.weights, $0.rounding) = (.float32, .nearest) }
    let stochastic = changed(odd) { $0.rounding = .stochastic(RandomKey(seed: 5, stream: 6)) }
    let wideMoments = changed(float32) { $0.eightBit = false }
    // An element's gradient, its master read and written, its bfloat16 weight compared and written: 16
    // bytes; and two moments read and written.
    let bytes = Double(rows * width)
    return [
      adamW("AdamW, 8-bit moments", .bfloat16, [whole], isClipped: false)
        .timed(text, .bytes, bytes * (16 + 4)),
      adamW("AdamW, float32 moments", .bfloat16, [changed(whole) { $0.eightBit = false }], isClipped: false)
        .timed(text, .bytes, bytes * (16 + 16)),
      sumOfSquares.timed(text, .bytes, bytes * 4),
      adamW("AdamW, 8-bit moments, master", .bfloat16, [odd]),
      adamW("AdamW, 8-bit moments, float32", .float32, [float32]),
      adamW("AdamW, 8-bit moments, stochastic", .bfloat16, [stochastic]),
      adamW(
        "AdamW, 8-bit moments, bfloat16 gradients", .bfloat16, [changed(odd) { $0.gradient = .bfloat16 }]),
      adamW("AdamW, float32 moments, clipped", .float32, [wideMoments]),
      adamW(
        "AdamW of three tensors at once", .bfloat16,
        [
          changed(odd) { $0.shape = [5_000] }, changed(wideMoments) { $0.shape = [300] },
          changed(stochastic) { $0.shape = [16_640] },
        ]),
      norms,
    ]
  }

  private var sumOfSquares: KernelCase {
    KernelCase("sum of squares", .float32, [.random([sizes.inner, sizes.hidden], .float32)]) { kernels, x in
      let result = kernels.gradientNorms([x[0]], maxNorm: 1)
      return [result.norms, result.clip]
    }
    .checked { x in
      let truth = gradientNorms(x, maxNorm: 1)
      return [truth.norms, [truth.clip]]
    }
    .tolerating([normTolerance])
  }

  /// Summed in float64 and rounded once.
  private var normTolerance: CaseTolerance { .init(gpu: .float32, simulated: 1e-7, truth: 0x1p-23) }

  /// Of gradients of one element, of one block and of several, clipped and not.
  private var norms: KernelCase {
    let limits = [0.5, 1e9, .infinity]
    let gradients = [
      CaseInput.random([1], .float32), .random([16_384], .float32), .random([50_001], .float32),
    ]
    return KernelCase("gradient norms and clip factor", .float32, gradients) { kernels, x in
      limits.flatMap { limit in
        let result = kernels.gradientNorms(x, maxNorm: limit)
        return [result.norms, result.clip]
      }
    }
    .checked { x in
      limits.flatMap { limit in
        let truth = gradientNorms(x, maxNorm: limit)
        return [truth.norms, [truth.clip]]
      }
    }
    .tolerating([normTolerance])
  }

  /// Three steps, the first two of which are preparation.
  private func adamW(_ name: String, _ dtype: DType, _ forms: [AdamWForm], isClipped: Bool = true)
    -> KernelCase
  {
    let decay: Float = isClipped ? 0.01 : 0
    // How many stored weights changed: of a real GPU, one in 10,000 may round the other way.
    let changed = CaseTolerance(gpu: .float32, simulated: 0, truth: 0)
    let example = KernelCase(
      name, dtype, forms.flatMap(\.inputs) + [.floats([0.5])],
      prepare: { kernels, x in
        let states = forms.enumerated().map { AdamWState($1, weights: x[4 * $0], kernels) }
        func taken(_ step: Int) -> Tensor {
          let numbers = AdamWTruth.step(step, weightDecay: decay)
          let updates = states.enumerated().map { ($1.update(x[4 * $0 + step], numbers), $1.moments) }
          return kernels.adamW(updates, clip: isClipped ? x[x.count - 1] : nil)
        }
        let before = [1, 2].map(taken)
        return {
          let changed = before + [taken(3)]
          return states.flatMap(\.results) + changed
        }
      }
    ).tolerating(forms.flatMap(tolerances) + [CaseTolerance](repeating: changed, count: 3))
    guard forms.contains(where: { !$0.eightBit }) else { return example }
    return example.checked { x in
      forms.enumerated().flatMap { index, form -> [[Double]?] in
        // What 8-bit codes hold, and what is drawn by lot, is compared between conformers.
        guard !form.eightBit else { return [[Double]?](repeating: nil, count: 6) }
        let gradients = Array(x[4 * index + 1...4 * index + 3])
        let clip = isClipped ? 0.5 : 1
        let truth = AdamWTruth(x[4 * index], gradients, clip: clip, weightDecay: decay)
        return [truth.parameter, truth.parameter, truth.moment1, truth.moment2]
      } + [nil, nil, nil]
    }
  }

  /// Of parameter, weights and moments. Every conformer rounds at the same places. But reciprocals and roots
  /// are approximate on a GPU; the simulated one has the CPU's. The truth is nearer than four roundings of
  /// float32: a moment sums three terms, and a step is a hundredth of the weight.
  private func tolerances(_ form: AdamWForm) -> [CaseTolerance] {
    let float32 = CaseTolerance(gpu: .float32, simulated: 0, truth: 0x1p-22)
    let bfloat16 = CaseTolerance(gpu: .bfloat16, simulated: 0, truth: 0x1p-8 * 1.01)
    let codes = CaseTolerance(gpu: .codes, simulated: 0, truth: 0)
    let weights = form.weights == .float32 ? float32 : bfloat16
    return [form.rounding == nil ? float32 : weights, weights]
      + (form.eightBit ? [codes, codes] : []) + [float32, float32]
  }
}
