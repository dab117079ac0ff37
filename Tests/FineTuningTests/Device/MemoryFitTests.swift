import Files
import Foundation
import GSM8K
import Testing
import FineTuning

/// What a memory plan decides, and its message for a run that does not fit: gemma-2b on a GPU of up to 141
/// GB.
@Suite struct MemoryFitTests {
  /// A GPU with this many free bytes.
  private func gpu(_ bytes: Int) -> MemoryRoom {
    MemoryRoom(bytes: bytes, ofDevice: 150_750_000_000, name: "NVIDIA H200 has \(bytes) B free")
  }

  private func plan(_ name: String, _ overrides: String..., on room: MemoryRoom? = nil) throws -> TrainingPlan
  {
    try studyPlan(name, overrides, room ?? gpu(140_000_000_000))
  }

  /// The memory budget in which a plan of `total` bytes is just comfortable.
  private func comfortable(_ total: Int) -> MemoryRoom { gpu(total / 9 * 10 + 1000) }

  // MARK: - Parts

  @Test func partsOfAGPUIncludeTheWorkspace() throws {
    let parts = try plan("full-main").fit.memory.parts
    #expect(
      parts.map(\.name) == [
        "weights", "gradients", "optimizer", "activations", "vocabulary", "workspace",
      ])
    // bf16 weights; bf16 gradients, except for float32 ones of embedding and norms; a float32 copy; 8-bit
    // moments, except for float32 ones of embedding and norms.
    let (linear, others) = (110_100_480 * 18, 524_288_000 + 75_776)
    #expect(parts[0].bytes == 2 * 2_506_172_416 && parts[1].bytes == 2 * linear + 4 * others)
    #expect(parts[2].bytes == 4 * 2_506_172_416 + 2 * linear + 8 * linear / 256 + 8 * others)
  }

  @Test func gradientsThatPassesAddToAreFloat32() throws {
    let small = comfortable(try plan("full-main", "train.gradient_accumulation_steps=1").fit.memory.total)
    for plan in [
      try plan("full-main", "train.gradient_accumulation_steps=5000", on: small),
      try plan("full-main", "model.precision=float32"),
    ] {
      #expect(plan.fit.memory.parts.first { $0.name == "gradients" }?.bytes == 4 * 2_506_172_416)
    }
  }

  /// Rounded and clipped copies of the embedding's gradient outweigh short examples' activations and logits.
  @Test func nearestRoundingsCopiesArePartOfThePeak() throws {
    let parts = try plan("full-main", "optimizer.low_precision_update=nearest").fit.memory.parts
    let late = parts.filter { ["activations", "vocabulary", "rounding"].contains($0.name) }
    #expect(late.count == 3 && late.reduce(0) { $0 + $1.bytes } == 4 * 524_288_000)
  }

  /// The goal: full training of Gemma 2B without checkpointing in 30 GB, with 16 sequences of GSM8K's mean
  /// length a step.
  @Test func stochasticRoundingTrainsGemma2BIn30GB() throws {
    // One token a letter: 190 together, of which 123 are targets.
    let problems = (0..<64).map { number in
      Problem(
        id: number, question: String(repeating: "x", count: 55) + "\(10 + number)?",
        answer: String(repeating: "x", count: 116) + " #### \(10 + number)")
    }
    func total(_ name: String, _ overrides: String...) throws -> Int {
      let plan = try studyPlan(
        name, overrides + ["train.gradient_checkpointing=false"], gpu(149_000_000_000), problems)
      #expect(plan.longest == 190 && plan.fit.mergedMicroBatches == 2)
      return plan.fit.memory.total
    }
    #expect(try total("full-main", "optimizer.low_precision_update=stochastic") <= 30_000_000_000)
    #expect(try total("full-main") <= 40_000_000_000)
    #expect(try total("lora-main") <= 16_000_000_000)
  }

  @Test func activationsOfGemma2BAreThoseThatAreKept() throws {
    let kept = try plan(
      "full-main", "train.gradient_checkpointing=false", "train.gradient_accumulation_steps=1")
    let bytes = try #require(kept.fit.memory.parts.first { $0.name == "activations" }?.bytes)
    let perToken = Double(bytes) / Double(8 * kept.longest)
    // Each of 18 layers in bf16: 4 tensors of 2,048 elements, 2 of 2,048 + 256, and 3 of 16,384.
    #expect(perToken == 2_230_272)
  }

  // MARK: - Merging

  @Test func passesOfAStepAreMergedWhereAGPUHasRoom() throws {
    let plan = try plan("full-main")
    #expect(plan.fit.microBatchCount == 2 && plan.fit.mergedMicroBatches == 2 && plan.fit.forwardCount == 1)
    #expect(plan.text.hasSuffix("\nbatches     2 micro-batches merged into 1"))
  }

  /// Free memory does not decide: a run gives the same bits whatever else the machine does.
  @Test(arguments: [1, 1 << 40]) func passesThatSpareGradientsAreMergedOnTheCPU(available: Int) throws {
    let plan = try plan("full-main", on: MemoryRoom(bytes: 1 << 40, available: available, name: ""))
    #expect(
      plan.fit.mergedMicroBatches == 2 && plan.text.hasSuffix("\nbatches     2 micro-batches merged into 1"))
  }

  @Test(
    arguments: [
      // The memory kept for the backward pass grows with the tokens of a pass.
      ["train.gradient_checkpointing=false"], ["train.gradient_checkpointing=auto"],
      // 200 sequences of 21 tokens.
      ["train.per_device_batch_size=100"],
      // Gradients have 4 bytes, merged or not.
      ["model.precision=float32"], ["method=lora"],
    ], [1 << 40])
  func otherPassesStayAsTheyAreOnTheCPU(_ overrides: [String], bytes: Int) throws {
    let plan = try studyPlan("full-main", overrides, MemoryRoom(bytes: bytes, available: bytes, name: ""))
    #expect(plan.fit.mergedMicroBatches == 1 && !plan.text.contains("\nbatches"))
  }

  @Test func passesStayAsTheyAreOnACPUWithoutRoom() throws {
    // Sixteen examples so long that their activations outweigh the saving in gradients.
    let problems = (0..<7473).map {
      Problem(id: $0, question: "?", answer: String(repeating: "x", count: $0 < 16 ? 2900 : 1))
    }
    func fit(_ bytes: Int) throws -> MemoryFit {
      let room = MemoryRoom(bytes: bytes, available: 1 << 40, name: "")
      return try studyPlan("full-main", ["train.max_length=3000"], room, problems).fit
    }
    let bytes = try fit(1 << 40).memory.total / 7 * 10
    for (room, passes) in [(bytes + 1000, 2), (bytes - 1000, 1)] {
      #expect(try fit(room).mergedMicroBatches == passes)
    }
  }

  @Test func passesAreMergedAsFarAsThereIsRoomAndEvenly() throws {
    let three = try plan("lora-main", "train.gradient_accumulation_steps=3").fit.memory.total
    let four = try plan("lora-main", "train.gradient_accumulation_steps=4").fit.memory.total
    for total in [three, four] {
      let plan = try plan("lora-main", "train.gradient_accumulation_steps=5", on: comfortable(total))
      #expect(plan.fit.mergedMicroBatches == 3 && plan.fit.memory.total == three)
      #expect(plan.text.hasSuffix("\nbatches     5 micro-batches merged into 2"))
    }
  }

  /// Five micro-batches as one have bf16 gradients. Four have float32 gradients, which need 4 GB more.
  @Test func allPassesAsOneFitWhereFewerDoNot() throws {
    let five = try plan("full-main", "train.gradient_accumulation_steps=5").fit
    #expect(five.mergedMicroBatches == 5)
    let plan = try plan(
      "full-main", "train.gradient_accumulation_steps=5", on: comfortable(five.memory.total))
    #expect(plan.fit == five)
  }

  @Test func morePassesThanTheDataHaveAreNotCounted() throws {
    let plan = try plan("lora-main", "train.gradient_accumulation_steps=100000", "data.limit=7473")
    #expect(plan.fit.microBatchCount == 935)
  }

  @Test func dropoutKeepsPassesApart() throws {
    let plan = try plan("lora-main", "lora.dropout=0.1")
    #expect(plan.fit.mergedMicroBatches == 1)
    #expect(plan.text.hasSuffix("\nbatches     not merged: lora.dropout draws a mask for each micro-batch"))
    let single = try self.plan("lora-main", "lora.dropout=0.1", "train.gradient_accumulation_steps=1")
    #expect(!single.text.contains("\nbatches"))
  }

  // MARK: - Checkpointing

  @Test func autoKeepsEverythingWhereAGPUHasRoom() throws {
    #expect(try plan("full-main", "train.gradient_checkpointing=auto").fit.gradientCheckpointing == .never)
  }

  @Test func autoSparesTheSecondForwardPassRatherThanMerge() throws {
    let one = try plan(
      "lora-main", "train.gradient_checkpointing=false", "train.gradient_accumulation_steps=1")
    let fit = try plan(
      "lora-main", "train.gradient_checkpointing=auto", on: comfortable(one.fit.memory.total)
    ).fit
    #expect(fit.gradientCheckpointing == .never && fit.mergedMicroBatches == 1)
  }

  @Test func autoComputesAgainWhereAGPUIsSmall() throws {
    let one = try plan(
      "full-main", "train.gradient_checkpointing=true", "train.gradient_accumulation_steps=1")
    let fit = try plan(
      "full-main", "train.gradient_checkpointing=auto", on: comfortable(one.fit.memory.total)
    ).fit
    #expect(fit.gradientCheckpointing == .always && fit.refusal == nil)
  }

  // MARK: - Refusals

  @Test func runThatFitsIsNotRefused() throws {
    let memory = try plan("full-main").fit.memory
    #expect(try plan("full-main", on: gpu(memory.total)).fit.refusal == nil)
    #expect(try plan("full-main", on: gpu(memory.total - 1)).fit.refusal != nil)
  }

  @Test func refusalNamesTheLargestPartAndWhatWouldFit() throws {
    let plan = try plan("full-main", "train.gradient_checkpointing=false", on: gpu(24_000_000_000))
    #expect(
      plan.fit.refusal
        == Fault(
          .unavailable,
          "memory: the run needs 30.25 GB at the peak (weights 5.01 GB, gradients 6.06 GB, optimizer 18.25 GB, "
            + "activations 785.1 MB, vocabulary 114.7 MB, workspace 33.6 MB), the most for optimizer; "
            + "NVIDIA H200 has 24000000000 B free",
          hint: "it fits with optimizer.low_precision_update=stochastic (20.23 GB), "
            + "or with method=lora (5.69 GB)"))
  }

  @Test func refusalNamesEachSettingThatFitsByItself() throws {
    let kept = try plan(
      "lora-main", "train.gradient_checkpointing=false", "train.gradient_accumulation_steps=1")
    let room = gpu(kept.fit.memory.total - 1)
    #expect(
      try plan("lora-main", "train.gradient_checkpointing=false", on: room).fit.refusal?.hint
        == "it fits with train.gradient_checkpointing=true (5.33 GB), or with "
        + "train.per_device_batch_size=4 train.gradient_accumulation_steps=4 (5.47 GB)")
  }

  @Test func refusalJoinsSettingsWhereNoneIsEnough() throws {
    func hint(_ bytes: Int) throws -> String? {
      try plan("full-main", "train.gradient_checkpointing=false", on: gpu(bytes)).fit.refusal?.hint
    }
    #expect(
      try hint(5_400_000_000)
        == "it fits with method=lora train.gradient_checkpointing=true (5.33 GB)")
    #expect(
      try hint(5_300_000_000)
        == "it fits with method=lora train.gradient_checkpointing=true train.per_device_batch_size=4 "
        + "train.gradient_accumulation_steps=4 (5.29 GB)")
  }

  @Test func refusalSaysWhenNothingHelps() throws {
    let plan = try plan("lora-main", on: gpu(1_000_000_000))
    #expect(
      plan.fit.refusal?.hint == "no setting makes this model fit; expected a smaller one, or more memory")
  }

  @Test func machineWithoutTheMemoryIsRefusedByWhatItHas() throws {
    let room = MemoryRoom(bytes: 4_000_000_000, available: 1, name: "this machine has 4.00 GB")
    #expect(
      try plan("lora-main", on: room).fit.refusal
        == Fault(
          .unavailable,
          "memory: the run needs 5.38 GB at the peak (weights 5.01 GB, adapter 78.4 MB, gradients 78.4 MB, "
            + "optimizer 39.8 MB, activations 86.1 MB, vocabulary 57.3 MB, program 28.0 MB), the most for weights; "
            + "this machine has 4.00 GB",
          hint: "no setting makes this model fit; expected a smaller one, or more memory"))
  }

  @Test func machineThatIsBusyIsNotRefused() throws {
    let room = MemoryRoom(bytes: 1 << 36, available: 1, name: "this machine has 68.72 GB")
    #expect(try plan("lora-main", on: room).fit.refusal == nil)
  }
}
