import Files

extension StudyReport {
  /// `summary.json`: every number of the report.
  package var json: JSONValue {
    .object([
      "base": base.map { .string($0.name) } ?? .null,
      "runs": .array(runs.map(\.json)),
      "comparisons": .array(comparisons.map(\.json)),
      "not_compared": .array(
        mismatches.map {
          .object(["first": .string($0.first), "second": .string($0.second), "reason": .string($0.reason)])
        }),
      "losses_comparable": .bool(!mixesVariants),
      "notes": .array(notes.map { .string($0) }),
    ])
  }
}

extension RunComparison {
  fileprivate var json: JSONValue {
    .object([
      "first": .string(first), "second": .string(second), "count": .int(outcome.count),
      "only_first_correct": .int(outcome.onlyFirst), "only_second_correct": .int(outcome.onlySecond),
      "difference": .double(outcome.difference), "mcnemar_p": .double(outcome.mcnemarP),
      "shown": .bool(isShown),
    ])
  }
}

extension RunRecord {
  fileprivate var json: JSONValue {
    .object([
      "name": .string(name), "directory": .string(directory), "state": .string(state.rawValue),
      "method": .string(configuration.method.rawValue), "model": .string(configuration.model.path),
      "variant": isBase ? .null : .string(configuration.data.variant.rawValue),
      "precision": .string(configuration.model.precision.rawValue),
      "kernels": facts.map { .string($0.kernels) } ?? .null,
      "seed": configuration.run.seed.json,
      "settings": isBase ? .null : configuration.trainingSettings,
      "parameters": parameters.map { .object(["total": .int($0.total), "trainable": .int($0.trainable)]) }
        ?? .null,
      "prompt_hash": facts.map { .string($0.promptHash) } ?? .null,
      "training": training?.json ?? .null, "evaluation": evaluation?.json ?? .null,
    ])
  }
}

extension RunConfiguration {
  /// The settings that training depends on, with the configuration's own keys.
  fileprivate var trainingSettings: JSONValue {
    var object: JSONObject = [
      "epochs": Int(exactly: train.epochs).map { .int($0) } ?? .double(train.epochs),
      "per_device_batch_size": .int(train.perDeviceBatchSize),
      "gradient_accumulation_steps": .int(train.gradientAccumulationSteps),
      "max_length": .int(train.maxLength),
      "learning_rate": .double(train.learningRate), "min_learning_rate": .double(train.minLearningRate),
      "warmup_ratio": .double(train.warmupRatio), "schedule": .string(train.schedule.rawValue),
      "optimizer": .string(optimizer.name.rawValue),
      "low_precision_update": .string(optimizer.lowPrecisionUpdate.rawValue),
    ]
    if method == .lora {
      object["rank"] = .int(lora.rank)
      object["alpha"] = .double(lora.alpha)
      object["dropout"] = .double(lora.dropout)
      object["targets"] = .array(lora.targets.map { .string($0.rawValue) })
    }
    return .object(object)
  }
}

extension TrainingCurve {
  fileprivate var json: JSONValue {
    .object([
      "steps": .int(steps.count), "first_loss": real(losses[0]), "final_loss": real(finalLoss),
      "final_loss_steps": .int(finalStepCount), "samples_per_second": real(samplesPerSecond),
      "tokens_per_second": real(tokensPerSecond), "changed_share": real(changedShare),
      "samples": .int(samples),
      "tokens": .int(tokens), "target_tokens": .int(targetTokens), "seconds": .double(seconds),
      "peak_memory_bytes": .int(peakMemoryBytes),
    ])
  }
}

extension EvaluationRecord {
  fileprivate var json: JSONValue {
    let interval = confidenceInterval
    func share(_ part: Int) -> JSONValue { .double(Double(part) / Double(count)) }
    let misses = missCounts.map { counts in
      var object = JSONObject()
      for (tag, number) in counts.sorted(by: { $0.key < $1.key }) { object[tag] = .int(number) }
      return JSONValue.object(object)
    }
    return .object([
      "count": .int(count), "correct": .int(correct), "exact_match": share(correct),
      "confidence_interval_95": .array([.double(interval.lowerBound), .double(interval.upperBound)]),
      "correct_flexible": .int(correctFlexible), "exact_match_flexible": share(correctFlexible),
      "correct_openai": correctOpenAI.map { .int($0) } ?? .null,
      "exact_match_openai": correctOpenAI.map(share) ?? .null,
      "mean_tokens": .double(meanTokens), "tokens_per_second": real(tokensPerSecond),
      "references": references.map { .string($0) } ?? .null,
      "prompt_hash": promptHash.map { .string($0) } ?? .null, "settings": settings?.json ?? .null,
      "misses": misses ?? .null,
      "definitions_disagree": .array(answers.filter(\.definitionsDisagree).map { .int($0.id) }),
    ])
  }
}

extension UInt64 {
  /// A number where every reader keeps all of its digits, otherwise text.
  fileprivate var json: JSONValue { self <= 1 << 53 ? .int(Int(self)) : .string("\(self)") }
}

private func real(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }
