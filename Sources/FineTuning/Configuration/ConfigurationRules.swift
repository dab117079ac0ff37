import YAML

extension RunConfiguration {
  /// Checks keys against each other. Each is right by itself.
  ///
  /// A key without effect is an error where it can only be meant for this run: on the command line, and for
  /// keys that runs do not share. In files, sections of another method are accepted, so that runs can share a
  /// file.
  /// - written: what files and command line say, without the defaults.
  func checkRules(_ tree: YAMLNode, written: YAMLNode, _ problems: inout ConfigurationProblems) {
    let place = { (path: String) in
      tree.value(at: parts(of: path, at: "."))?.origin ?? .defaults
    }
    checkLearningRates(place, &problems)
    checkScale(place, &problems)
    checkShots(place, &problems)
    if method != .lora, lora.initializeFrom != nil {
      problems.add(
        place("lora.initialize_from"), "lora.initialize_from",
        "has no effect with method: \(method.rawValue); expected method: lora")
    }
    checkCommandLine(written, &problems)
  }

  private func checkLearningRates(
    _ place: (String) -> YAMLOrigin, _ problems: inout ConfigurationProblems
  ) {
    guard train.schedule != .constant, train.minLearningRate > train.learningRate else { return }
    let (floor, peak) = (place("train.min_learning_rate"), place("train.learning_rate"))
    // The key that was written last is the one to change.
    if floor == .defaults || (peak == .commandLine && floor != .commandLine) {
      problems.add(
        peak, "train.learning_rate",
        "expected at least train.min_learning_rate (\(train.minLearningRate)), got \(train.learningRate)")
    } else {
      problems.add(
        floor, "train.min_learning_rate",
        "expected at most train.learning_rate (\(train.learningRate)), got \(train.minLearningRate)")
    }
  }

  /// Checks alpha / rank, the factor of the adapter's product, as a 32-bit float.
  private func checkScale(_ place: (String) -> YAMLOrigin, _ problems: inout ConfigurationProblems) {
    guard method == .lora, !Float(lora.alpha / Double(lora.rank)).isNormal else { return }
    problems.add(
      place("lora.alpha"), "lora.alpha",
      "alpha / rank is too small for a 32-bit float, got \(lora.alpha) / \(lora.rank); "
        + "expected at least \(Float.leastNormalMagnitude)")
  }

  private func checkShots(_ place: (String) -> YAMLOrigin, _ problems: inout ConfigurationProblems) {
    if evaluation.shots == 1, evaluation.example == nil {
      problems.add(
        place("evaluation.shots"), "evaluation.shots",
        "1 needs evaluation.example; expected its question and answer")
    }
    if evaluation.shots == 0, evaluation.example != nil {
      problems.add(
        place("evaluation.example"), "evaluation.example",
        "has no effect with evaluation.shots: 0; expected shots: 1 or no example")
    }
  }

  private func checkCommandLine(_ written: YAMLNode, _ problems: inout ConfigurationProblems) {
    var idle: [(path: String, setting: String)] = []
    if method != .lora { idle.append(("lora", "method: \(method.rawValue)")) }
    if method == .none { idle += [("train", "method: none"), ("optimizer", "method: none")] }
    switch device {
    case .auto: break
    case .cpu: idle.append(("cuda", "device: cpu"))
    case .cuda: idle.append(("threads", "device: cuda"))
    }
    if train.schedule == .constant { idle.append(("train.min_learning_rate", "train.schedule: constant")) }
    if model.precision == .float32 {
      idle.append(("optimizer.low_precision_update", "model.precision: float32"))
    } else if method == .lora {
      // Adapters are float32 whatever the precision of the base model.
      idle.append(("optimizer.low_precision_update", "method: lora"))
    }
    for (path, setting) in idle {
      guard let node = written.value(at: parts(of: path, at: ".")) else { continue }
      for leaf in node.leavesOfCommandLine(under: path) {
        problems.add(.commandLine, leaf, "has no effect with \(setting)")
      }
    }
  }
}

extension YAMLNode {
  /// The paths of the values below `path` that were written on the command line.
  fileprivate func leavesOfCommandLine(under path: String) -> [String] {
    guard case .mapping(let entries) = content else { return origin == .commandLine ? [path] : [] }
    return entries.flatMap { $0.value.leavesOfCommandLine(under: "\(path).\($0.key)") }
  }
}
