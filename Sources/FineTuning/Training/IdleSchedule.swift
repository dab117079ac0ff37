import Files
import Gemma

extension LearningRateSchedule {
  /// Whether some step has a rate above 0 in float32, in which the optimizer takes it.
  ///
  /// The rate rises in the warm-up and falls after it, so its largest values are on either side of the end.
  package var changesWeights: Bool {
    [warmupSteps, warmupSteps + 1].contains { step in
      step >= 1 && step <= steps && Float(learningRate(step: step)) > 0
    }
  }

  /// Refuses a run in which no step has a rate above 0, since it would not change its weights. The
  /// configuration has already refused a peak rate that is 0 in float32.
  /// - Throws: `Fault` .configuration naming the key in `file`.
  func requireChange(file: String) throws {
    if changesWeights { return }
    let run = steps == 1 ? "the run's only step is" : "all \(steps) steps of the run are"
    throw Fault(
      .configuration, file: file, place: "train.warmup_ratio",
      "\(run) warm-up at a rate of 0: no weight would change; expected a step at a rate above 0",
      hint: "set train.warmup_ratio=0, or allow more steps (train.max_steps, train.epochs, data.limit)")
  }
}
