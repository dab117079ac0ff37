import Files
import Tensors

/// How a run fits into its memory budget.
package struct MemoryFit: Equatable, Sendable {
  /// Whether layers are computed again for their gradients: `always` or `never`.
  package var gradientCheckpointing: RunConfiguration.TrainSection.GradientCheckpointing
  /// Micro-batches of an optimizer step, and the most of them that are computed as one.
  package var microBatchCount: Int, mergedMicroBatches: Int
  /// Predicted peak memory.
  package var memory: MemoryPlan
  /// The fault when the run does not fit; nil when it does.
  package var refusal: Fault?

  /// Forward passes of an optimizer step.
  package var forwardCount: Int { (microBatchCount + mergedMicroBatches - 1) / mergedMicroBatches }
}

/// More tokens in one forward pass gain nothing. On a GPU this limits the longest pass; on the CPU, where
/// activations take the memory that gradients leave, the average pass.
private let mostDeviceTokens = 1 << 16, mostHostTokens = 1 << 12

extension MemoryDemand {
  /// Decides what is kept for the backward pass and which micro-batches are merged.
  ///
  /// If the configuration leaves it open, everything is kept where there is room. Micro-batches are merged as
  /// far as there is room. The CPU gains nothing by larger products: there all are merged or none, and only
  /// where layers are computed again and merging makes gradients bfloat16.
  ///
  /// Merging changes no mathematics, since a loss is a sum over targets. An adapter's dropout, however, draws
  /// a mask for each micro-batch.
  func fitted(into room: MemoryRoom) -> MemoryFit {
    let wanted = run.train.gradientCheckpointing
    var demand = self
    if wanted == .auto {
      demand.run.train.gradientCheckpointing = .never
      if demand.leanest(room).memory.total > room.comfortable {
        demand.run.train.gradientCheckpointing = .always
      }
    }
    // On the CPU the memory that is free now decides `auto`, but not the bits of a run.
    let merged = wanted == .auto && room.place == .host ? 1 : demand.mergedMicroBatches(room)
    let count = demand.microBatchCount
    // As evenly as possible: 5 micro-batches in 2 forward passes are 3 and 2, not 4 and 1.
    let forwards = (count + merged - 1) / merged
    let perForward = (count + forwards - 1) / forwards
    let memory = demand.plan(microBatches: perForward)
    return MemoryFit(
      gradientCheckpointing: demand.run.train.gradientCheckpointing, microBatchCount: count,
      mergedMicroBatches: perForward, memory: memory,
      refusal: memory.total > room.bytes ? demand.refusal(memory, room) : nil)
  }

  /// Whether adapter dropout prevents merging micro-batches.
  func keepsMicroBatchesApart(_ room: MemoryRoom) -> Bool {
    hasDropout && microBatchCount > 1 && gainsByMerging(2, room)
  }

  private var hasDropout: Bool { run.method == .lora && run.lora.dropout > 0 }

  /// Whether it is better to compute this many micro-batches as one, if there is room.
  private func gainsByMerging(_ microBatches: Int, _ room: MemoryRoom) -> Bool {
    if room.place == .device { return tokens(microBatches: microBatches) <= mostDeviceTokens }
    return microBatches == microBatchCount
      && gradientBytes(forwards: 1) < gradientBytes(forwards: microBatches)
      && run.train.gradientCheckpointing == .always
      && averageTokens(microBatches: microBatches) <= mostHostTokens
  }

  /// The most micro-batches that fit as one. Where not even one fits, the number that needs least memory.
  private func mergedMicroBatches(_ room: MemoryRoom) -> Int {
    func fits(_ microBatches: Int) -> Bool {
      !hasDropout && gainsByMerging(microBatches, room)
        && plan(microBatches: microBatches).total <= room.forMerging
    }
    // All as one may fit where fewer do not, since float32 gradients of linear maps are not needed then.
    if microBatchCount > 1 && fits(microBatchCount) { return microBatchCount }
    guard plan(microBatches: 1).total <= room.forMerging else { return leanest(room).microBatches }
    var (most, tooMany) = (1, microBatchCount)
    while tooMany - most > 1 {
      let middle = (most + tooMany) / 2
      if fits(middle) { most = middle } else { tooMany = middle }
    }
    return most
  }

  /// The way that needs least memory: each micro-batch by itself, or all as one.
  private func leanest(_ room: MemoryRoom) -> (microBatches: Int, memory: MemoryPlan) {
    let apart = plan(microBatches: 1)
    guard !hasDropout, gainsByMerging(microBatchCount, room) else { return (1, apart) }
    let merged = plan(microBatches: microBatchCount)
    return merged.total < apart.total ? (microBatchCount, merged) : (1, apart)
  }

  /// The fault for a run that does not fit, with the settings that would fit.
  private func refusal(_ memory: MemoryPlan, _ room: MemoryRoom) -> Fault {
    var hint = singleRemedies(room)
    if hint.isEmpty { hint = Self.joint.lazy.compactMap { jointRemedy($0, room) }.prefix(1).map { $0 } }
    return Fault(
      .unavailable,
      "memory: the run needs \(memory.text), the most for \(memory.largest); \(room.name)",
      hint: hint.isEmpty
        ? "no setting makes this model fit; expected a smaller one, or more memory"
        : "it fits with \(hint.joined(separator: ", or with "))")
  }

  /// Each single change of the settings that makes the run fit, with the memory that it then needs.
  private func singleRemedies(_ room: MemoryRoom) -> [String] {
    Remedy.allCases.compactMap { remedy in
      choices(remedy).first { $0.demand.leanest(room).memory.total <= room.bytes }.map {
        shown([$0.settings], $0.demand, room)
      }
    }
  }

  /// Changes that are tried together, one after the other. An adapter needs no choice of rounding.
  private static let joint: [[Remedy]] = [
    [.checkpointing, .rounding, .batch], [.method, .checkpointing, .batch],
  ]

  /// The first of these changes that make the run fit together.
  private func jointRemedy(_ remedies: [Remedy], _ room: MemoryRoom) -> String? {
    var (demand, settings) = (self, [String]())
    func fits(_ demand: MemoryDemand) -> Bool { demand.leanest(room).memory.total <= room.bytes }
    for remedy in remedies {
      let choices = demand.choices(remedy)
      // Where no choice is enough by itself, the one that saves most.
      guard let choice = choices.first(where: { fits($0.demand) }) ?? choices.last else { continue }
      demand = choice.demand
      settings.append(choice.settings)
      if fits(demand) { return shown(settings, demand, room) }
    }
    return nil
  }

  private func shown(_ settings: [String], _ demand: MemoryDemand, _ room: MemoryRoom) -> String {
    "\(settings.joined(separator: " ")) (\(byteText(demand.leanest(room).memory.total)))"
  }

  /// What can be changed to save memory, the mildest first.
  private enum Remedy: CaseIterable { case checkpointing, batch, rounding, method }

  /// The settings of one kind that need less memory than this run's settings, the mildest first.
  private func choices(_ remedy: Remedy) -> [(settings: String, demand: MemoryDemand)] {
    var changed = self
    switch remedy {
    case .checkpointing:
      guard run.train.gradientCheckpointing != .always else { return [] }
      changed.run.train.gradientCheckpointing = .always
      return [("train.gradient_checkpointing=true", changed)]
    case .batch: return smallerBatches
    case .rounding:
      guard run.method == .full, run.model.precision == .bf16, run.optimizer.lowPrecisionUpdate == .master
      else { return [] }
      changed.run.optimizer.lowPrecisionUpdate = .stochastic
      return [("optimizer.low_precision_update=stochastic", changed)]
    case .method:
      guard run.method == .full else { return [] }
      changed.run.method = .lora
      return [("method=lora", changed)]
    }
  }

  /// Smaller micro-batches, and more of them, so that the sequences of a step stay the same.
  private var smallerBatches: [(settings: String, demand: MemoryDemand)] {
    let (size, count) = (run.train.perDeviceBatchSize, run.train.gradientAccumulationSteps)
    return (2...max(2, min(size, 1 << 16))).compactMap { parts in
      let (more, overflow) = count.multipliedReportingOverflow(by: parts)
      guard size % parts == 0, !overflow, more <= Int(Int32.max) else { return nil }
      var changed = self
      changed.run.train.perDeviceBatchSize = size / parts
      changed.run.train.gradientAccumulationSteps = more
      return (
        "train.per_device_batch_size=\(size / parts) train.gradient_accumulation_steps=\(more)", changed
      )
    }
  }
}
