import Tensors

/// AdamW over a fixed list of parameters, with 8-bit or float32 moments.
///
/// With 8-bit moments it follows bitsandbytes under the Hugging Face Trainer: moments have 8 bits where a
/// tensor has at least 4,096 elements and is no embedding, and decay is applied after the step. Without 8-bit
/// moments it follows torch.optim.AdamW: decay is applied before the step. Norms do not decay.
/// Source: Loshchilov & Hutter 2019; Dettmers et al. 2022; bitsandbytes 0.50.2 optim/optimizer.py;
/// transformers trainer.py, create_optimizer.
package final class AdamW {
  /// How a bfloat16 weight takes an update that is smaller than half its last digit.
  package enum LowPrecisionUpdate: Equatable, Sendable {
    /// Through a float32 copy, which keeps what rounding takes from the weight.
    case master
    /// By rounding up or down at random, right on average. Key, step and element decide the random number.
    case stochastic(RandomKey)
    /// Not at all: the gradient, its clipped value and the weight are rounded to the nearest, which is plain
    /// bfloat16 training.
    case nearest
  }

  /// The settings that all parameters share.
  package struct Settings: Equatable, Sendable {
    /// Whether moments may have 8 bits.
    package var eightBit: Bool
    /// Decay rates of the moments.
    package var beta1: Float, beta2: Float
    /// Added to the root of the second moment's estimate.
    package var epsilon: Float
    /// Decoupled weight decay.
    package var weightDecay: Float
    /// How bfloat16 weights are updated. float32 weights are updated directly.
    package var lowPrecisionUpdate: LowPrecisionUpdate

    /// Settings for all parameters of one optimizer.
    package init(
      eightBit: Bool, beta1: Float, beta2: Float, epsilon: Float, weightDecay: Float,
      lowPrecisionUpdate: LowPrecisionUpdate
    ) {
      self.eightBit = eightBit
      self.beta1 = beta1
      self.beta2 = beta2
      self.epsilon = epsilon
      self.weightDecay = weightDecay
      self.lowPrecisionUpdate = lowPrecisionUpdate
    }
  }

  /// What the optimizer keeps for one parameter.
  package struct State {
    /// The parameter's name.
    package let name: String
    /// What the parameter is in the model.
    package let role: ParameterRole
    /// The weights that the model uses, updated in place.
    package let weights: Tensor
    /// The float32 copy that the weights are rounded from; nil where there is none.
    package let master: Tensor?
    /// The moments, updated in place.
    package let moments: AdamWMoments
  }

  /// Tensors of fewer elements keep float32 moments.
  package static let minimum8bitCount = 4096

  /// The settings that all parameters share.
  package let settings: Settings
  /// One state for each parameter, in the order of the parameters.
  package let states: [State]
  /// Number of steps done.
  package private(set) var step: Int
  private let kernels: any Kernels

  /// An optimizer that has done `step` steps. Its moments are zero, to begin with or to be filled in place.
  /// - parameters: float32 or bfloat16, writable; updated in place.
  package init(
    _ settings: Settings, _ parameters: [Parameter], _ kernels: any Kernels, step: Int = 0
  ) {
    self.settings = settings
    self.kernels = kernels
    self.step = step
    states = parameters.map { parameter in
      let tensor = parameter.tensor
      let plan = Self.plan(parameter.role, count: tensor.count, tensor.dtype, settings)
      return State(
        name: parameter.name, role: parameter.role, weights: tensor,
        master: plan.hasMaster ? kernels.converted(tensor, to: .float32, scale: 1) : nil,
        moments: plan.is8bit ? .codes(tensor.count, kernels) : .float32(tensor.count, kernels))
    }
  }

  /// The state of a parameter; nil when none has that name.
  package func state(named name: String) -> State? { states.first { $0.name == name } }

  /// Takes one step with all parameters.
  /// - Parameters:
  ///   - gradients: float32 or bfloat16, one for each parameter, in their order and shapes.
  ///   - clip: float32 [1], factor of all gradients; nil is 1. If it is not finite, nothing is updated.
  /// - Returns: for each parameter, the number of its stored weights that changed, int32.
  package func apply(_ gradients: [Tensor], learningRate: Double, clip: Tensor? = nil) -> Tensor {
    precondition(
      gradients.count == states.count, "AdamW: \(gradients.count) gradients, \(states.count) parameters")
    step += 1
    if settings.lowPrecisionUpdate == .nearest {
      // One by one: rounded copies of all gradients at once would need as much memory again as the gradients.
      let factor = clip.map { kernels.onHost($0).floats[0] } ?? 1
      let changed = states.indices.map { index in
        kernels.adamW(
          [update(index, gradients[index], learningRate, factor)], clip: factor.isFinite ? nil : clip)
      }
      return kernels.placed(Tensor(changed.map { kernels.onHost($0).ints[0] }))
    }
    return kernels.adamW(states.indices.map { update($0, gradients[$0], learningRate, 1) }, clip: clip)
  }

  /// Takes this step with one parameter.
  private func update(
    _ index: Int, _ gradient: Tensor, _ learningRate: Double, _ gradientScale: Float
  ) -> (update: AdamWUpdate, moments: AdamWMoments) {
    let state = states[index]
    var update = AdamWUpdate(
      parameter: state.master ?? state.weights, gradient: gradient,
      weights: state.master == nil ? nil : state.weights, rounding: .nearest,
      step: AdamWStep(
        step: step, learningRate: Float(learningRate), beta1: settings.beta1, beta2: settings.beta2,
        epsilon: settings.epsilon, weightDecay: state.role == .norm ? 0 : settings.weightDecay,
        gradientScale: gradientScale, decayOrder: settings.eightBit ? .afterStep : .beforeStep))
    if state.weights.dtype == .bfloat16 { prepare(&update, index) }
    return (update, state.moments)
  }

  /// Makes the update of a bfloat16 weight follow `lowPrecisionUpdate`.
  private func prepare(_ update: inout AdamWUpdate, _ index: Int) {
    switch settings.lowPrecisionUpdate {
    case .master: break
    case .stochastic(let key):
      update.rounding = .stochastic(key.derived(UInt64(step)).derived(UInt64(index)))
    case .nearest:
      // The Trainer's gradients have the dtype of the weight, and clipping multiplies them in that dtype.
      if update.gradient.dtype == .float32 {
        update.gradient = kernels.converted(update.gradient, to: .bfloat16, scale: 1)
      }
      update.gradient = kernels.converted(
        update.gradient, to: .bfloat16, scale: update.step.gradientScale)
      update.step.gradientScale = 1
    }
  }
}

extension AdamW {
  /// Bytes of moments and float32 copies that an optimizer of these parameters keeps.
  package static func stateBytes(
    _ parameters: [ParameterShape], _ dtype: DType, _ settings: Settings
  ) -> Int {
    parameters.reduce(0) { sum, parameter in
      let count = parameter.count
      let plan = plan(parameter.role, count: count, dtype, settings)
      let moments = plan.is8bit ? 2 * count + 8 * AdamWMoments.blockCount(count) : 8 * count
      return sum + moments + (plan.hasMaster ? 4 * count : 0)
    }
  }

  private static func plan(
    _ role: ParameterRole, count: Int, _ dtype: DType, _ settings: Settings
  ) -> (is8bit: Bool, hasMaster: Bool) {
    (
      settings.eightBit && count >= minimum8bitCount && role != .embedding,
      settings.lowPrecisionUpdate == .master && dtype == .bfloat16
    )
  }
}

extension AdamWMoments {
  fileprivate static func codes(_ count: Int, _ kernels: any Kernels) -> AdamWMoments {
    let blocks = blockCount(count)
    return .codes(
      codes1: kernels.zeros([count], .uint8), codes2: kernels.zeros([count], .uint8),
      absmax1: kernels.zeros([blocks], .float32), absmax2: kernels.zeros([blocks], .float32))
  }

  fileprivate static func float32(_ count: Int, _ kernels: any Kernels) -> AdamWMoments {
    .float32(moment1: kernels.zeros([count], .float32), moment2: kernels.zeros([count], .float32))
  }
}
