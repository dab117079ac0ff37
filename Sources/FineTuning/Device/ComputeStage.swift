import Files
import Tensors

/// What was under way when a device failed. It says what the memory was for, and what to do.
package enum ComputeStage {
  /// Weights are moved to where they are used.
  case weights
  /// A trainer makes its gradients and its optimizer, or the optimizer works.
  case gradients, optimizer
  /// The forward and backward passes of an optimizer step.
  case activations(step: Int)
  /// The results of an optimizer step are read.
  case step(Int)
  /// Finished weights are copied to main memory.
  case saving
  /// Questions are answered.
  case answering

  /// The place that a message names: "step 3", or the part of memory.
  fileprivate func place(_ kind: DeviceFailure.Kind) -> String? {
    switch self {
    case .weights: kind == .outOfMemory ? "weights" : nil
    case .gradients: kind == .outOfMemory ? "gradients" : nil
    case .optimizer: kind == .outOfMemory ? "optimizer" : nil
    case .activations(let step): kind == .outOfMemory ? "step \(step): activations" : "step \(step)"
    case .step(let step): "step \(step)"
    case .saving: "finished weights"
    case .answering: kind == .outOfMemory ? "answering: keys, values and activations" : "answering"
    }
  }

  /// The settings that need less memory for this part.
  fileprivate func remedy(_ run: RunConfiguration, or others: String) -> String {
    var settings: [String] = []
    switch self {
    case .weights, .saving:
      if run.model.precision == .float32 { settings.append("model.precision=bf16") }
    case .gradients:
      if run.method == .full { settings.append("method=lora") }
    case .optimizer:
      if run.optimizer.name == .adamw { settings.append("optimizer.name=adamw_8bit") }
      if run.method == .full, run.model.precision == .bf16, run.optimizer.lowPrecisionUpdate == .master {
        settings.append("optimizer.low_precision_update=stochastic")
      }
      if run.method == .full { settings.append("method=lora") }
    case .activations, .step:
      if run.train.gradientCheckpointing != .always { settings.append("train.gradient_checkpointing=true") }
      if run.train.perDeviceBatchSize > 1 { settings.append("a smaller train.per_device_batch_size") }
    case .answering:
      if run.evaluation.batchSize > 1 { settings.append("a smaller evaluation.batch_size") }
      settings.append("a smaller evaluation.max_new_tokens")
    }
    return settings.isEmpty ? others : "set \(settings.joined(separator: " or ")), or \(others)"
  }

  /// The fault for `bytes` of main memory that the system does not give.
  package func exhausted(_ bytes: Int, _ run: RunConfiguration) -> Fault {
    let words = [place(.outOfMemory), "memory: \(byteText(bytes)) more cannot be had"]
    return Fault(
      .unavailable, words.compactMap { $0 }.joined(separator: ": "),
      hint: remedy(run, or: "end other programs"))
  }

  /// The fault for a failed call of a device.
  fileprivate func fault(_ failure: DeviceFailure, _ run: RunConfiguration) -> Fault {
    let message = [place(failure.kind), failure.fault.message].compactMap { $0 }.joined(separator: ": ")
    switch failure.kind {
    case .outOfMemory:
      return Fault(.unavailable, message, hint: remedy(run, or: "end other programs that use the device"))
    case .deviceLost:
      return Fault(
        .unavailable, message,
        hint: "what was written before it is intact; nvidia-smi shows whether the device works again")
    case .other: return Fault(failure.fault.kind, message, hint: failure.fault.hint)
    }
  }
}

extension MemoryKernels {
  /// Checks for a failure of the device, and names the stage in the fault.
  /// - Throws: `Fault`.
  func check(_ stage: ComputeStage, _ run: RunConfiguration) throws {
    do {
      try check()
    } catch {
      throw failure.map { stage.fault($0, run) } ?? error
    }
  }

  /// Checks, without waiting for the device, whether it had memory for the work that was queued.
  /// - Throws: `Fault`.
  func checkMemory(_ stage: ComputeStage, _ run: RunConfiguration) throws {
    if let failure { throw stage.fault(failure, run) }
  }
}
