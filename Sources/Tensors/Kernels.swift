import Glibc

/// What the operations compute with: one conformer for each kind of processor, chosen once at start.
///
/// The CPU conformer is also the reference that others are tested against. All tensors are in the conformer's place.
/// bfloat16 inputs are widened, sums are float32, results are rounded once to the output's dtype. Sums that reach a
/// result have a fixed order: the same call gives the same bits, whatever the number of threads.
/// Shapes are `precondition`s that name the operation.
package protocol Kernels {
  /// What computes, for the log: library, vector instructions, threads.
  var summary: String { get }
  /// Where the tensors of this conformer are.
  var place: Place { get }

  /// A new tensor in `place`, not initialised.
  func uninitialized(_ shape: Shape, _ dtype: DType) -> Tensor
  /// Makes all elements zero, in place.
  func clear(_ tensor: Tensor)
  /// The elements of a host tensor in `place`: the tensor itself where that is the host.
  func placed(_ tensor: Tensor) -> Tensor
  /// The elements in main memory, once all work on them is done: the tensor itself where it is there.
  func onHost(_ tensor: Tensor) -> Tensor
  /// Begins to bring the elements to main memory, while later work goes on.
  func fetch(_ tensor: Tensor) -> FetchedTensor
  /// Writes the elements of x over those of `target`, of the same dtype and count.
  func copy(_ x: Tensor, to target: Tensor)
  /// For work that is done again and again.
  func replays() -> any Replaying
  /// Throws what has gone wrong in `place` since the start: calls that cannot throw do nothing from then on.
  /// - Throws: `Fault` .unavailable.
  func check() throws

  /// Matrix product: c = scale · op(a) · op(b), or that added to c.
  /// - Parameters: a, b, c: two-dimensional, float32 or bfloat16 each; c is written in place.
  func multiply(_ a: Operand, _ b: Operand, scale: Float, _ store: Store, _ c: Tensor)

  /// Rows of an embedding table, each times `scale` (rounded to the table's dtype by the caller).
  /// - ids: int32 [T]; table: [V, D].  - Returns: [T, D] in the table's dtype.
  func embeddingForward(_ ids: Tensor, _ table: Tensor, scale: Float) -> Tensor
  /// Adds `scale · dY` [T, D] to the rows `ids` of `dTable` (float32 [V, D]), in the order of the tokens.
  func embeddingBackward(_ dY: Tensor, _ ids: Tensor, scale: Float, into dTable: Tensor)

  /// x / sqrt(mean(x²) + epsilon) · (1 + weight) over rows.
  /// - x: [.., D]; weight: [D].  - Returns: y as x, and 1 / sqrt(…) of each row, float32 [rows].
  func rmsNormForward(_ x: Tensor, _ weight: Tensor, epsilon: Float) -> (y: Tensor, rstd: Tensor)
  /// a + b, and its norm as `rmsNormForward` has it.
  /// - a, b: one shape [.., D] and dtype.  - Returns: the sum, rounded to that dtype; y and rstd of the rounded sum.
  func addRMSNormForward(_ a: Tensor, _ b: Tensor, _ weight: Tensor, epsilon: Float)
    -> (sum: Tensor, y: Tensor, rstd: Tensor)
  /// Gradient of x, plus `dSum` (x's shape and dtype) when given: what x has from elsewhere. Adds the weight's gradient
  /// to `dWeight` (float32 [D]) when given.
  func rmsNormBackward(
    _ dY: Tensor, _ x: Tensor, _ weight: Tensor, rstd: Tensor, dSum: Tensor?, dWeight: Tensor?
  ) -> Tensor

  /// Rotary position embedding, half-split, of each head of each row.
  /// - x: [T, heads · H]; positions: int32 [T].  - direction: backward rotates the other way.
  func rotated(_ x: Tensor, positions: Tensor, _ table: RotaryTable, _ direction: Direction) -> Tensor

  /// Variable-length causal attention with grouped heads.
  /// - q: [T, N·H]; k, v: [S, K·H].  - Returns: o [T, N·H], and the log of each soft-max's denominator, float32 [T, N].
  func attentionForward(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ layout: AttentionLayout)
    -> (o: Tensor, logSumExp: Tensor)
  /// Gradients of q, k, v from that of o.
  func attentionBackward(
    _ dO: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, o: Tensor, logSumExp: Tensor,
    _ layout: AttentionLayout
  ) -> (dQ: Tensor, dK: Tensor, dV: Tensor)

  /// Attention of segments of one query each, which are data: `AttentionLayout.Segment`s in int32 [count, 4].
  /// - layout: its segments are not looked at.  - longest: no segment has more keys.  - Returns: o [T, N·H].
  func attentionDecode(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ layout: AttentionLayout, segments: Tensor, longest: Int
  ) -> Tensor

  /// gelu_tanh(gate) · up, element by element; the shape of both.
  func gegluForward(_ gate: Tensor, _ up: Tensor) -> Tensor
  /// Gradients of gate and up.
  func gegluBackward(_ dY: Tensor, _ gate: Tensor, _ up: Tensor) -> (dGate: Tensor, dUp: Tensor)

  /// a + b, the same shape and dtype.
  func add(_ a: Tensor, _ b: Tensor) -> Tensor
  /// Adds x to a float32 tensor in place.
  func accumulate(_ x: Tensor, into sum: Tensor)
  /// scale · x in another dtype (or the same).
  func converted(_ x: Tensor, to dtype: DType, scale: Float) -> Tensor
  /// Elements zeroed with probability p, the others times 1/(1-p): element i is dropped by `key.uniform(at: i)` < p.
  func dropped(_ x: Tensor, probability: Float, key: RandomKey) -> Tensor

  /// Rows of x [T, D] at `indices` (int32 [M]).  - Returns: [M, D].
  func gathered(_ x: Tensor, rows indices: Tensor) -> Tensor
  /// The gradient of `gathered`: zeros [count, D] with `dY` added at `indices`.
  func scattered(_ dY: Tensor, rows indices: Tensor, count: Int) -> Tensor

  /// Writes the rows of x [M, D] over rows `indices` (int32 [M]) of `target`, of the same dtype.
  func copy(_ x: Tensor, toRows indices: Tensor, of target: Tensor)

  /// Linear map to the vocabulary and cross-entropy, in chunks: never all logits at once.
  /// See `Operations.linearCrossEntropy`.
  func linearCrossEntropy(_ hidden: Tensor, _ table: Tensor, targets: Tensor, _ options: CrossEntropyOptions)
    -> CrossEntropyResult
  /// The id with the largest logit of each row of hidden [M, D], the lowest id on ties, -1 for a row with a logit that is
  /// not finite.  - Returns: int32 [M].
  func argmaxLogits(_ hidden: Tensor, _ table: VocabularyTable) -> Tensor
  /// A table for many calls of `argmaxLogits`: with what makes them faster, which takes memory and time to make.
  func vocabularyTable(_ table: Tensor) -> VocabularyTable
  /// All logits, float32 [M, V]: for small M.
  func logits(_ hidden: Tensor, _ table: Tensor, softCap: Float?) -> Tensor

  /// Sum of a float32 tensor in a fixed order, in float64, rounded once.  - Returns: float32 [1].
  func sum(_ x: Tensor) -> Tensor
  /// Norms of float32 or bfloat16 gradients, summed in float64 in the order given, and what clips them together to
  /// `maxNorm`: the same bits whether a gradient is bfloat16 or its float32 copy.
  func gradientNorms(_ gradients: [Tensor], maxNorm: Double) -> GradientNorms
  /// One AdamW step of each tensor; see `AdamWStep`.
  /// - clip: float32 [1], a further factor of all gradients; nil is 1. Nothing is updated when it is not finite.
  /// - Returns: how many stored weights of each tensor changed, int32.
  func adamW(_ updates: [(update: AdamWUpdate, moments: AdamWMoments)], clip: Tensor?) -> Tensor
}

extension Kernels {
  /// A new tensor of zeros in `place`.
  package func zeros(_ shape: Shape, _ dtype: DType) -> Tensor {
    let tensor = uninitialized(shape, dtype)
    clear(tensor)
    return tensor
  }

  /// A copy with its own storage, without history.
  package func copied(_ tensor: Tensor) -> Tensor {
    let copy = uninitialized(tensor.shape, tensor.dtype)
    self.copy(tensor, to: copy)
    return copy
  }
}

/// A tensor on its way to main memory.
package struct FetchedTensor {
  private let read: () -> Tensor

  /// What `read` gives, which may wait.
  init(_ read: @escaping () -> Tensor) { self.read = read }

  /// The elements in main memory; waits for them, but not for work that was queued later.
  package var tensor: Tensor { read() }
}

/// One factor of a matrix product, as it is stored or transposed.
package enum Operand {
  case stored(Tensor)
  case transposed(Tensor)

  /// The tensor, as stored.
  package var tensor: Tensor {
    switch self {
    case .stored(let tensor), .transposed(let tensor): tensor
    }
  }
  /// Rows of the factor as it enters the product.
  package var rowCount: Int {
    switch self {
    case .stored(let tensor): tensor.shape[0]
    case .transposed(let tensor): tensor.shape[1]
    }
  }
  /// Columns of the factor as it enters the product.
  package var columnCount: Int {
    switch self {
    case .stored(let tensor): tensor.shape[1]
    case .transposed(let tensor): tensor.shape[0]
    }
  }
}

/// Whether a result replaces what is there or is added to it (in float32, rounded once).
package enum Store: Sendable { case replacing, adding }

/// Which way an operation runs.
package enum Direction: Sendable { case forward, backward }

/// Inverse frequencies of rotary position embedding: angle = position · inverseFrequencies[i], in float32.
/// Source: Su et al. 2021; transformers modeling_rope_utils.py.
package struct RotaryTable: Sendable, Equatable {
  /// [H / 2], float32.
  package let inverseFrequencies: [Float]
  /// H, elements of one head.
  package var headDim: Int { inverseFrequencies.count * 2 }

  /// 1 / (theta^(2i/H)), divided by `linearScale` ("linear" scaling of long-context layers; 1 is none).
  package init(headDim: Int, theta: Double, linearScale: Double) {
    inverseFrequencies = (0..<headDim / 2).map { i in
      1 / powf(Float(theta), Float(2 * i) / Float(headDim)) / Float(linearScale)
    }
  }
}

/// How a cross-entropy is computed.
package struct CrossEntropyOptions {
  /// c: logits become c · tanh(logit / c); nil leaves them.
  package var softCap: Float?
  /// When given, gradients are computed in the same pass: of this factor times the summed loss.
  package var gradientScale: Float?
  /// Where the table's gradient is added (float32 [V, D]); nil when the table is frozen.
  package var dTable: Tensor?

  /// All of it.
  package init(softCap: Float? = nil, gradientScale: Float? = nil, dTable: Tensor? = nil) {
    self.softCap = softCap
    self.gradientScale = gradientScale
    self.dTable = dTable
  }
}

/// What a cross-entropy gave.
package struct CrossEntropyResult {
  /// Loss of each target, float32 [M], in nats.
  package var losses: Tensor
  /// Gradient of `gradientScale` times the summed loss with respect to hidden, in its dtype; nil when not asked for.
  package var dHidden: Tensor?

  /// Losses, and perhaps the gradient.
  package init(losses: Tensor, dHidden: Tensor?) {
    self.losses = losses
    self.dHidden = dHidden
  }
}

/// Norms of gradients before clipping.
package struct GradientNorms {
  /// Of each gradient, then of all together: float32 [count + 1].
  package var norms: Tensor
  /// min(1, maxNorm / (norm + 1e-6)), float32 [1]; not a number when the norm is not finite.
  /// Source: torch.nn.utils.clip_grad_norm_.
  package var clip: Tensor

  /// Norms, and the factor.
  package init(norms: Tensor, clip: Tensor) {
    self.norms = norms
    self.clip = clip
  }
}

/// Running means of a gradient and its square, flat, updated in place.
package enum AdamWMoments {
  /// uint8 codes into `CodeMaps`, and float32 absolute maxima of each block of 256 elements.
  case codes(codes1: Tensor, codes2: Tensor, absmax1: Tensor, absmax2: Tensor)
  /// float32.
  case float32(moment1: Tensor, moment2: Tensor)

  /// All tensors of the moments, by the names that bitsandbytes gives them.
  package var tensors: [(name: String, tensor: Tensor)] {
    switch self {
    case .codes(let codes1, let codes2, let absmax1, let absmax2):
      [("state1", codes1), ("state2", codes2), ("absmax1", absmax1), ("absmax2", absmax2)]
    case .float32(let moment1, let moment2): [("state1", moment1), ("state2", moment2)]
    }
  }
}

/// One AdamW step of one tensor: what is updated, from what, and how.
package struct AdamWUpdate {
  /// Updated in place: float32 or bfloat16.
  package var parameter: Tensor
  /// float32 or bfloat16, the parameter's shape; bfloat16 is widened.
  package var gradient: Tensor
  /// bfloat16 weights that are the rounded `parameter` when that is a float32 master copy; else nil.
  package var weights: Tensor?
  /// How a bfloat16 `parameter` is rounded.
  package var rounding: Rounding
  /// The step's numbers.
  package var step: AdamWStep

  /// All of it.
  package init(parameter: Tensor, gradient: Tensor, weights: Tensor?, rounding: Rounding, step: AdamWStep) {
    self.parameter = parameter
    self.gradient = gradient
    self.weights = weights
    self.rounding = rounding
    self.step = step
  }
}

/// Rounding of float32 to bfloat16.
package enum Rounding: Sendable, Equatable {
  /// To the nearest, ties to even.
  case nearest
  /// (bits + r) & 0xFFFF0000 with r = the high 16 of `key.bits(at: element)`: right on average.
  case stochastic(RandomKey)
}

/// When decoupled weight decay is applied.
package enum DecayOrder: Sendable, Equatable { case beforeStep, afterStep }

/// Numbers of one AdamW step. Source: Loshchilov & Hutter 2019; bitsandbytes 0.50.2 csrc/kernels.cu.
package struct AdamWStep: Sendable, Equatable {
  /// Counted from 1.
  package var step: Int
  /// Rate of this step.
  package var learningRate: Float
  /// Decay of the first and second moment.
  package var beta1: Float, beta2: Float
  /// Added outside the root of the second moment's estimate.
  package var epsilon: Float
  /// Decoupled decay: the weight is multiplied by 1 - learningRate · weightDecay.
  package var weightDecay: Float
  /// Whether that comes before the step, as in PyTorch, or after it, as in bitsandbytes' CUDA kernels.
  package var decayOrder: DecayOrder
  /// Factor of the gradients (clipping).
  package var gradientScale: Float

  /// All of it.
  package init(
    step: Int, learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, weightDecay: Float,
    gradientScale: Float, decayOrder: DecayOrder = .afterStep
  ) {
    self.step = step
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.decayOrder = decayOrder
    self.gradientScale = gradientScale
  }
}
