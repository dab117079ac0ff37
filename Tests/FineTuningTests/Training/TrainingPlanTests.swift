import Files
import Foundation
import GSM8K
import Gemma
import Testing
import FineTuning

/// The plan of a run of the study: gemma-2b-it, with 7,473 short examples unless others are given.
func studyPlan(
  _ name: String, _ overrides: [String], _ room: MemoryRoom,
  _ problems: [Problem] = (0..<7473).map { Problem(id: $0, question: "\($0)?", answer: "#### \($0)") }
) throws -> TrainingPlan {
  let workspace = try Workspace()
  try workspace.write("model/config.json", gemma2b)
  let file = "\(fixtures)/../../configs/study/\(name).yaml"
  let configuration = try RunConfiguration.load(
    path: file, overrides: ["model.path=\(workspace.path)/model", "model.initialize=random"] + overrides)
  let setup = try ModelSetup(configuration)
  let prompt = try Prompt(.init(training: configuration), setup.tokenizer, setup.configuration)
  let model = setup.configuration
  let data = try TrainingData(
    problems, prompt, configuration, file: "train.jsonl", positions: model.maxPositionEmbeddings)
  return TrainingPlan(configuration, model, data, room)
}

private let gemma2b = """
  {"model_type": "gemma", "vocab_size": 256000, "hidden_size": 2048, "intermediate_size": 16384,
   "num_hidden_layers": 18, "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256,
   "hidden_act": "gelu", "max_position_embeddings": 8192, "rms_norm_eps": 1e-06, "rope_theta": 10000.0}
  """

/// The numbers of the published study: gemma-2b-it, 7,473 training examples.
@Suite struct TrainingPlanTests {
  private func plan(
    _ name: String, overrides: [String] = [], _ room: MemoryRoom = Self.machine(1 << 40)
  ) throws -> TrainingPlan {
    try studyPlan(name, overrides, room)
  }

  /// A machine with all of its memory free.
  private static func machine(_ bytes: Int) -> MemoryRoom {
    MemoryRoom(bytes: bytes, available: bytes, name: "this machine has \(bytes) B")
  }

  @Test(arguments: ["full-main", "full-socratic", "lora-main", "lora-socratic"])
  func studyTakes468StepsOfWhich15WarmUp(_ name: String) throws {
    let plan = try plan(name)
    #expect(plan.exampleCount == 7473)
    #expect(plan.steps == 468 && plan.warmupSteps == 15)
  }

  @Test func fullTrainingTrainsAllParameters() throws {
    let plan = try plan("full-main")
    #expect(plan.baseParameters == 2_506_172_416 && plan.trainableParameters == 2_506_172_416)
    #expect(plan.text.contains("\nparameters  2506172416, trainable 2506172416 (100.0000 %)\n"))
  }

  @Test func loraTrainsTheStudysShare() throws {
    let plan = try plan("lora-main")
    #expect(plan.baseParameters == 2_506_172_416 && plan.trainableParameters == 19_611_648)
    #expect(plan.text.contains("\nparameters  2525784064, trainable 19611648 (0.7765 %)\n"))
  }

  @Test func memoryIsCountedByPart() throws {
    let lora = try plan("lora-main").fit.memory.parts
    #expect(
      lora.map(\.name) == [
        "weights", "adapter", "gradients", "optimizer", "activations", "vocabulary", "program",
      ])
    // bf16 weights; float32 adapter and gradients; 8-bit moments: 2 bytes, and 8 for each block of 256.
    #expect(lora[0].bytes == 2 * 2_506_172_416)
    #expect(lora[1].bytes == 4 * 19_611_648 && lora[2].bytes == 4 * 19_611_648)
    #expect(lora[3].bytes == 2 * 19_611_648 + 8 * 19_611_648 / 256)
  }

  @Test func autoCheckpointsOnlyWhereMemoryIsShort() throws {
    let auto = ["train.gradient_checkpointing=auto"]
    let kept = try plan("lora-main", overrides: auto)
    #expect(kept.fit.gradientCheckpointing == .never)
    let short = try plan("lora-main", overrides: auto, Self.machine(kept.fit.memory.total))
    #expect(short.fit.gradientCheckpointing == .always)
    #expect(short.fit.memory.total < kept.fit.memory.total)
    // An explicit setting is kept, whatever the memory.
    #expect(try plan("lora-main", Self.machine(1)).fit.gradientCheckpointing == .always)
    let never = ["train.gradient_checkpointing=false"]
    #expect(try plan("lora-main", overrides: never, Self.machine(1)).fit.gradientCheckpointing == .never)
  }

  @Test func maximumStepsBoundTheEpochs() throws {
    var train = RunConfiguration(named: "a").train
    train.epochs = 3
    let batcher = Batcher(exampleCount: 10, perDeviceBatchSize: 2, gradientAccumulationSteps: 2, shuffle: nil)
    #expect(TrainingPlan.steps(train, batcher) == 9)
    train.maxSteps = 4
    #expect(TrainingPlan.steps(train, batcher) == 4)
    train.maxSteps = 100
    #expect(TrainingPlan.steps(train, batcher) == 9)
  }

  /// Expected values from transformers 5.23, Trainer.set_initial_training_values, by epochs, batches,
  /// accumulation.
  @Test(arguments: [
    (0.5, 935, 2, 234), (1.5, 935, 2, 702), (1, 935, 2, 468), (2, 3, 2, 4), (0.1, 30, 1, 3), (0.3, 10, 1, 3),
    (2.5, 5, 2, 8), (1e-9, 7, 2, 1), (0.7, 10, 1, 7), (1.1, 10, 1, 11), (0.07, 100, 1, 8),
  ])
  func stepsOfPartsOfEpochsAreTheTrainers(epochs: Double, batches: Int, accumulation: Int, steps: Int) {
    var train = RunConfiguration(named: "a").train
    train.epochs = epochs
    let batcher = Batcher(
      exampleCount: batches, perDeviceBatchSize: 1, gradientAccumulationSteps: accumulation, shuffle: nil)
    #expect(TrainingPlan.steps(train, batcher) == steps)
  }

  @Test func manyEpochsOfManyExamplesDoNotOverflow() {
    var train = RunConfiguration(named: "a").train
    let batcher = Batcher(
      exampleCount: .max / 4, perDeviceBatchSize: 1, gradientAccumulationSteps: 1, shuffle: nil)
    for epochs in [2_147_483_647, 2_147_483_646.5] {
      train.epochs = epochs
      train.maxSteps = nil
      #expect(TrainingPlan.steps(train, batcher) == .max)
      let schedule = LearningRateSchedule(
        shape: .cosine, learningRate: 1, minLearningRate: 0, warmupRatio: 1, steps: .max)
      #expect(schedule.warmupSteps == .max)
      train.maxSteps = 7
      #expect(TrainingPlan.steps(train, batcher) == 7)
    }
  }
}
