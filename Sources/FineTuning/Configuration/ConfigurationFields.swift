import Gemma
// The keys of each section, in the order in which a run's config.yaml holds them.

extension ConfigurationFormat where Value == RunConfiguration {
  static var configuration: Self {
    map([
      .init("run", \.run, .section),
      .init("model", \.model, .section),
      .init("method", \.method, .choice()),
      .init("lora", \.lora, .section),
      .init("data", \.data, .section),
      .init("prompt", \.prompt, .section),
      .init("train", \.train, .section),
      .init("optimizer", \.optimizer, .section),
      .init("evaluation", \.evaluation, .section),
      .init("device", \.device, .choice()),
      .init("cuda", \.cuda, .section),
      .init("threads", \.threads, .integerOrNull(atLeast: 1, atMost: maximumThreads)),
      .init("logging", \.logging, .section),
    ])
  }
}

/// The starting thread and the most workers of a pool (CKernels/team.c).
private let maximumThreads = 256

extension ConfigurationFormat where Value == RunConfiguration.RunSection {
  static var section: Self {
    map([
      .init("name", \.name, .fileName),
      .init("directory", \.directory, .string),
      .init("seed", \.seed, .seed),
    ])
  }
}

extension ConfigurationFormat where Value == RunConfiguration.ModelSection {
  static var section: Self {
    map([
      .init("path", \.path, .string),
      .init("initialize", \.initialize, .choice()),
      .init("precision", \.precision, .choice()),
    ])
  }
}

extension ConfigurationFormat where Value == RunConfiguration.LoRASection {
  static var section: Self {
    map([
      .init("rank", \.rank, .integer(atLeast: 1, atMost: AdapterWeights.maximumRank)),
      .init("alpha", \.alpha, .positiveFloat),
      .init("dropout", \.dropout, .floatShareBelowOne),
      .init("targets", \.targets, .list(of: .choice(), placeholder: .query, check: targetsProblem)),
      .init("initialize_from", \.initializeFrom, .stringOrNull),
    ])
  }

  private static func targetsProblem(_ targets: [LinearModule]) -> String? {
    if targets.isEmpty {
      let all = LinearModule.allCases.map(\.rawValue)
      return "expected at least one of \(alternatives(all)), got an empty list"
    }
    let twice = targets.first { target in targets.count { $0 == target } > 1 }
    return twice.map { "\($0.rawValue) is given twice" }
  }
}

extension ConfigurationFormat where Value == RunConfiguration.DataSection {
  static var section: Self {
    map([
      .init("path", \.path, .string),
      .init("variant", \.variant, .choice()),
      .init("split", \.split, .choice()),
      .init("limit", \.limit, .integerOrNull(atLeast: 1)),
      .init("shuffle", \.shuffle, .boolean),
      .init("overlong", \.overlong, .choice()),
    ])
  }
}

extension ConfigurationFormat where Value == RunConfiguration.PromptSection {
  static var section: Self {
    map([
      .init("template", \.template, .choice()),
      .init("loss_on", \.lossOn, .choice()),
    ])
  }
}

extension ConfigurationFormat where Value == RunConfiguration.TrainSection {
  static var section: Self {
    map(
      [
        .init("epochs", \.epochs, .epochs),
        .init("max_steps", \.maxSteps, .integerOrNull(atLeast: 1)),
        .init("per_device_batch_size", \.perDeviceBatchSize, .integer(atLeast: 1)),
        .init("gradient_accumulation_steps", \.gradientAccumulationSteps, .integer(atLeast: 1)),
        .init("max_length", \.maxLength, .integer(atLeast: 1)),
        .init("learning_rate", \.learningRate, .positiveFloat),
        .init("min_learning_rate", \.minLearningRate, .notNegativeFloat),
        .init("warmup_ratio", \.warmupRatio, .share),
        .init("schedule", \.schedule, .choice()),
        .init("max_gradient_norm", \.maxGradientNorm, .normOrNull),
        .init("gradient_checkpointing", \.gradientCheckpointing, .gradientCheckpointing),
      ], later: ["save_steps", "keep_checkpoints"])
  }
}

extension ConfigurationFormat where Value == RunConfiguration.OptimizerSection {
  static var section: Self {
    map([
      .init("name", \.name, .choice()),
      .init("betas", \.betas.pair, .list(of: .floatShareBelowOne, placeholder: 0, check: betasProblem)),
      .init("epsilon", \.epsilon, .positiveFloat),
      .init("weight_decay", \.weightDecay, .notNegativeFloat),
      .init("low_precision_update", \.lowPrecisionUpdate, .choice()),
    ])
  }

  private static func betasProblem(_ betas: [Double]) -> String? {
    betas.count == 2 ? nil : "expected a list of two numbers, got \(betas.count)"
  }
}

extension RunConfiguration.OptimizerSection.Betas {
  /// Both betas as the list that the file holds. The setter takes a list of two.
  fileprivate var pair: [Double] {
    get { [beta1, beta2] }
    set { if newValue.count == 2 { (beta1, beta2) = (newValue[0], newValue[1]) } }
  }
}

extension ConfigurationFormat where Value == RunConfiguration.EvaluationSection {
  static var section: Self {
    map([
      .init("split", \.split, .choice()),
      .init("variant", \.variant, .choice()),
      .init("limit", \.limit, .integerOrNull(atLeast: 1)),
      .init("max_new_tokens", \.maxNewTokens, .integer(atLeast: 1)),
      .init("batch_size", \.batchSize, .integer(atLeast: 1)),
      .init("shots", \.shots, .shots),
      .init("instruction", \.instruction, .stringOrNull),
      .init("example", \.example, .example),
      .init("stop", \.stop, .list(of: .string, placeholder: "").uncut),
      .init("probes", \.probes, .stringOrNull),
    ])
  }
}

extension ConfigurationFormat where Value == Int {
  fileprivate static var shots: Self {
    scalar(
      expecting: "0 or 1",
      { scalar in scalar.wholeNumber.flatMap { (0...1).contains($0) ? $0 : nil } },
      write: { .plain(String($0)) })
  }
}

extension ConfigurationFormat where Value == RunConfiguration.EvaluationSection.Example? {
  fileprivate static var example: Self {
    typealias Example = RunConfiguration.EvaluationSection.Example
    let fields = ConfigurationFormat<Example>.map([
      .init("question", \.question, .string),
      .init("answer", \.answer, .string),
    ])
    let complete = ConfigurationFormat<Example>(
      read: { node, path, example, problems in
        fields.read(node, path, &example, &problems)
        guard case .mapping = node.content else { return }
        for key in ["question", "answer"] where node.value(at: [key]) == nil {
          problems.add(node.origin, path, "missing key '\(key)'")
        }
      },
      write: fields.write)
    return optional(complete, placeholder: Example(question: "", answer: "")).uncut
  }
}

extension ConfigurationFormat where Value == RunConfiguration.CUDASection {
  static var section: Self {
    map([
      .init("libraries", \.libraries, .stringOrNull),
      .init("kernel_cache", \.kernelCache, .stringOrNull),
      .init("memory_limit_gb", \.memoryLimitGB, .positiveOrNull),
    ])
  }
}

extension ConfigurationFormat where Value == RunConfiguration.LoggingSection {
  static var section: Self {
    map(
      [.init("steps", \.steps, .integer(atLeast: 1))], later: ["wandb", "tensorboard", "project"])
  }
}
