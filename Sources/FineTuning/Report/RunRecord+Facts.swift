import Files

extension RunRecord {
  /// The method, with what tells runs of one method apart: "LoRA r=16"; "none, 1-shot" if the evaluation says
  /// so.
  var methodName: String {
    let count = evaluation?.settings?.evaluation.shots ?? 0
    let shots = count > 0 ? ", \(count)-shot" : ""
    switch configuration.method {
    case .none: return "none" + shots
    case .full: return "full" + shots
    case .lora: return "LoRA r=\(configuration.lora.rank)" + shots
    }
  }

  /// The variant of the data that the run was trained on.
  var dataName: String { isBase ? ReportTable.dash : configuration.data.variant.rawValue }

  /// What the run was, in a fixed order that all runs share.
  var shownFacts: [(name: String, value: String)] {
    [
      ("Model", configuration.model.path),
      ("Method", methodFact),
      ("Parameters", parameters.shown { grouped($0.total) }),
      ("Trainable", parameters.shown(trainableFact)),
      ("Precision", configuration.model.precision.rawValue),
      ("Computed by", facts.shown(\.kernels)),
      ("Seed", "\(configuration.run.seed)"),
    ] + trainingFacts + evaluationFacts + [("Folder", directory)]
  }

  private var methodFact: String {
    guard configuration.method == .lora else { return configuration.method.rawValue }
    let lora = configuration.lora
    let targets = lora.targets.map(\.rawValue).joined(separator: " ")
    return
      "LoRA, rank \(lora.rank), alpha \(lora.alpha.trimmed), dropout \(lora.dropout.trimmed), on \(targets)"
  }

  private func trainableFact(_ parameters: (total: Int, trainable: Int)) -> String {
    if parameters.trainable == parameters.total { return "all" }
    let share = Double(parameters.trainable) / Double(max(1, parameters.total))
    return "\(grouped(parameters.trainable)) (\(percent(share, decimals: 4)) %)"
  }

  private var trainingFacts: [(name: String, value: String)] {
    let (train, optimizer) = (configuration.train, configuration.optimizer)
    let (each, passes) = (train.perDeviceBatchSize, train.gradientAccumulationSteps)
    let batch = each.multipliedReportingOverflow(by: passes).partialValue
    let rate = "\(train.learningRate) to \(train.minLearningRate), \(train.schedule.rawValue)"
    let rates = train.schedule == .constant ? "\(train.learningRate), constant" : rate
    let values: [(name: String, value: String)] = [
      ("Training data", "\(configuration.data.path), \(configuration.data.split.rawValue), \(dataName)"),
      ("Steps", training.shown { grouped($0.steps.count) }),
      ("Sequences", training.shown { grouped($0.samples) }),
      ("Tokens", training.shown { "\(grouped($0.tokens)), of them \(grouped($0.targetTokens)) targets" }),
      ("Learning rate", "\(rates), warm-up \(percent(train.warmupRatio, decimals: 0)) % of the steps"),
      ("Batch", "\(each) × \(passes) = \(batch) sequences a step"),
      ("Longest sequence", "\(grouped(train.maxLength)) tokens"),
      ("Optimizer", "\(optimizer.name.rawValue), update \(optimizer.lowPrecisionUpdate.rawValue)"),
      ("Training time", training.shown { duration($0.seconds) }),
      ("Peak memory", training.shown { byteText($0.peakMemoryBytes) + memoryPlace }),
      ("Prompt of training", facts.shown(\.promptHash)),
    ]
    return isBase ? values.map { ($0.name, ReportTable.dash) } : values
  }

  /// Whose memory the peak is of.
  private var memoryPlace: String { facts?.place == .device ? " of the device" : "" }

  private var evaluationFacts: [(name: String, value: String)] {
    [
      ("Prompt form", setting { $0.template.rawValue }),
      ("Prompt of evaluation", (evaluation?.promptHash).shown { $0 }),
      ("Evaluated on", evaluation.shown(evaluatedFact)),
      ("Limit of questions", setting { $0.evaluation.shownLimit }),
      ("Worked examples", setting { "\($0.evaluation.shots)" }),
      ("Instruction", setting { $0.evaluation.shownInstruction }),
      ("Strings that end an answer", setting { $0.evaluation.shownStop }),
      ("Questions side by side", setting { grouped($0.evaluation.batchSize) }),
      ("Longest answer", setting { "\(grouped($0.evaluation.maxNewTokens)) tokens" }),
      ("Model of evaluation", setting { "\($0.modelPath), \($0.precision.rawValue)" }),
      ("Answered by", (evaluation?.kernels).shown { $0 }),
      ("Decoding", (evaluation?.tokensPerSecond).shown { "\($0.formatted(decimals: 1)) tokens/s" }),
    ]
  }

  private func evaluatedFact(_ evaluation: EvaluationRecord) -> String {
    "\(evaluation.references ?? ReportWording.notRecorded), \(grouped(evaluation.count)) questions"
  }

  /// A setting of the evaluation, in words. The configuration may hold another value than the one used.
  private func setting(_ text: (EvaluationSettings) -> String) -> String {
    evaluation.shown { $0.settings.map(text) ?? ReportWording.notRecorded }
  }
}

extension Double {
  /// The number, without a needless ".0".
  fileprivate var trimmed: String {
    description.hasSuffix(".0") ? String(description.dropLast(2)) : description
  }
}
