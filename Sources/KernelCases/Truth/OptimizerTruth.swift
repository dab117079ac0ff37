import Glibc
import Tensors

/// Norms of each gradient and of all, and min(1, maxNorm / (norm + 1e-6)).
/// Source: torch.nn.utils.clip_grad_norm_.
func gradientNorms(_ gradients: [Numbers], maxNorm: Double) -> (norms: [Double], clip: Double) {
  let squares = gradients.map { dot($0.values[...], $0.values[...]) }
  let norm = squares.reduce(0, +).squareRoot()
  return (squares.map { $0.squareRoot() } + [norm], min(1, maxNorm / (norm + 1e-6)))
}

/// Steps of AdamW with decay after the step. Source: Loshchilov & Hutter 2019, algorithm 2.
struct AdamWTruth {
  private(set) var parameter: [Double], moment1: [Double], moment2: [Double]

  /// The numbers of a step of every case.
  static func step(_ step: Int, weightDecay: Float = 0.01) -> AdamWStep {
    AdamWStep(
      step: step, learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: weightDecay,
      gradientScale: 1)
  }

  /// A parameter after one step for each gradient.
  init(_ parameter: Numbers, _ gradients: [Numbers], clip: Double, weightDecay: Float) {
    self.parameter = parameter.values
    moment1 = parameter.values.map { _ in 0 }
    moment2 = moment1
    for (index, gradient) in gradients.enumerated() {
      take(Self.step(index + 1, weightDecay: weightDecay), gradient.values.map { clip * $0 })
    }
  }

  private mutating func take(_ step: AdamWStep, _ gradient: [Double]) {
    let (beta1, beta2) = (Double(step.beta1), Double(step.beta2))
    let rate = Double(step.learningRate)
    let (correction1, correction2) = (1 - pow(beta1, Double(step.step)), 1 - pow(beta2, Double(step.step)))
    for (index, gradient) in gradient.enumerated() {
      moment1[index] = beta1 * moment1[index] + (1 - beta1) * gradient
      moment2[index] = beta2 * moment2[index] + (1 - beta2) * gradient * gradient
      let root = (moment2[index] / correction2).squareRoot() + Double(step.epsilon)
      parameter[index] -= rate * moment1[index] / correction1 / root
      parameter[index] *= 1 - rate * Double(step.weightDecay)
    }
  }
}
