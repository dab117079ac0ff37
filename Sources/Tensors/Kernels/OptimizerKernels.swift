/// The optimizer's work on all parameters at once.
package protocol OptimizerKernels {
  /// Norms of float32 or bfloat16 gradients, and the factor that clips all of them together to `maxNorm`.
  /// Sums are float64, in the order given. A bfloat16 gradient gives the same bits as its float32 copy.
  func gradientNorms(_ gradients: [Tensor], maxNorm: Double) -> GradientNorms
  /// One AdamW step of each tensor; see `AdamWStep`.
  /// - clip: float32 [1], a further factor of all gradients; nil is 1. When it is not finite, nothing is
  ///   updated.
  /// - Returns: the number of stored weights of each tensor that changed, int32.
  func adamW(_ updates: [(update: AdamWUpdate, moments: AdamWMoments)], clip: Tensor?) -> Tensor
}

/// Norms of gradients before clipping.
package struct GradientNorms {
  /// Norm of each gradient, then of all together: float32 [count + 1].
  package var norms: Tensor
  /// Factor that clips: min(1, maxNorm / (norm + 1e-6)), float32 [1]; NaN when the norm is not finite.
  /// Source: torch.nn.utils.clip_grad_norm_.
  package var clip: Tensor

  /// Norms, and the factor that clips.
  package init(norms: Tensor, clip: Tensor) {
    self.norms = norms
    self.clip = clip
  }
}

/// Running means of a gradient and its square, flat, updated in place.
package enum AdamWMoments {
  /// Elements of one block of 8-bit codes. A block shares one absolute maximum. Source: bitsandbytes 0.50.2.
  package static let blockSize = 256

  /// Number of blocks of 8-bit codes for `count` elements.
  package static func blockCount(_ count: Int) -> Int { (count + blockSize - 1) / blockSize }

  /// uint8 codes into `CodeMaps`, and the float32 absolute maximum of each block of 256 elements.
  case codes(codes1: Tensor, codes2: Tensor, absmax1: Tensor, absmax2: Tensor)
  /// Moments as float32.
  case float32(moment1: Tensor, moment2: Tensor)

  /// All tensors of the moments, with the names that bitsandbytes gives them.
  package var tensors: [(name: String, tensor: Tensor)] {
    switch self {
    case .codes(let codes1, let codes2, let absmax1, let absmax2):
      [("state1", codes1), ("state2", codes2), ("absmax1", absmax1), ("absmax2", absmax2)]
    case .float32(let moment1, let moment2): [("state1", moment1), ("state2", moment2)]
    }
  }
}

/// One AdamW step of one tensor: its parameter, its gradient and the numbers of the step.
package struct AdamWUpdate {
  /// Float32 or bfloat16, updated in place.
  package var parameter: Tensor
  /// Float32 or bfloat16, in the parameter's shape; bfloat16 is widened.
  package var gradient: Tensor
  /// When `parameter` is a float32 master copy: the bfloat16 weights, which become its rounded values;
  /// otherwise nil.
  package var weights: Tensor?
  /// How a bfloat16 `parameter` is rounded.
  package var rounding: Rounding
  /// The step's numbers.
  package var step: AdamWStep

  /// What is updated, from which gradient, and how.
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
  /// To (bits + r) & 0xFFFF0000, where r is the high 16 of `key.bits(at: element)`: right on average.
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
  /// Whether the decay comes before the step, as in PyTorch, or after it, as in bitsandbytes' CUDA kernels.
  package var decayOrder: DecayOrder
  /// Factor of the gradients (clipping).
  package var gradientScale: Float

  /// Numbers of one AdamW step.
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
