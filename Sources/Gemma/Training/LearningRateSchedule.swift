import Glibc

/// The learning rate of each optimizer step: warm-up from 0, then a shape down to a floor.
///
/// Source: transformers 5.23 optimization.py, get_cosine_with_min_lr_schedule_with_warmup,
/// get_linear_schedule_with_warmup, get_constant_schedule_with_warmup; the Trainer's warm-up is ⌈ratio ·
/// steps⌉.
package struct LearningRateSchedule: Equatable, Sendable {
  /// The rate after warm-up: down to the floor along half a cosine or a straight line, or constant.
  package enum Shape: String, CaseIterable, Sendable { case cosine, linear, constant }

  /// The rate's course after warm-up.
  package let shape: Shape
  /// The highest rate, and the floor of `cosine` and `linear`.
  package let learningRate: Double, minLearningRate: Double
  /// Steps of the run, and the steps at its start that warm up.
  package let steps: Int, warmupSteps: Int

  /// A schedule of `steps` steps, of which ⌈`warmupRatio` · `steps`⌉ warm up.
  /// - warmupRatio: 0 ... 1.
  package init(
    shape: Shape, learningRate: Double, minLearningRate: Double, warmupRatio: Double, steps: Int
  ) {
    precondition((0...1).contains(warmupRatio), "LearningRateSchedule: warm-up ratio \(warmupRatio)")
    self.shape = shape
    self.learningRate = learningRate
    self.minLearningRate = minLearningRate
    self.steps = steps
    warmupSteps = Int(exactly: (Double(steps) * warmupRatio).rounded(.up)) ?? steps
  }

  /// The rate of a step, counted from 1. Step 1 of a warm-up has rate 0.
  package func learningRate(step: Int) -> Double {
    let done = step - 1
    if done < warmupSteps { return learningRate * (Double(done) / Double(warmupSteps)) }
    let length = Double(max(1, steps - warmupSteps))
    return switch shape {
    case .cosine: floored(0.5 * (1 + cos(.pi * (Double(done - warmupSteps) / length))))
    case .linear: floored(max(0, Double(steps - done) / length))
    case .constant: learningRate
    }
  }

  /// The rate that is `factor` of the way from the floor to the highest rate.
  private func floored(_ factor: Double) -> Double {
    let floor = learningRate > 0 ? minLearningRate / learningRate : 0
    return learningRate * max(0, factor * (1 - floor) + floor)
  }
}
