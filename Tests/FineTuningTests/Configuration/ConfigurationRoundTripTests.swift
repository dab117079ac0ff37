import Testing
import GSM8K
import Gemma
import FineTuning

struct ConfigurationRoundTripTests {
  @Test func resolvedYAMLOfTheDefaultsIsThis() throws {
    #expect(
      RunConfiguration(named: "lora-main").resolvedYAML() == """
        run:
          name: lora-main
          directory: runs/lora-main
          seed: 42
        model:
          path: models/gemma-2b-it
          initialize: pretrained
          precision: bf16
        method: lora
        lora:
          rank: 16
          alpha: 32.0
          dropout: 0.0
          targets: [q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]
          initialize_from: null
        data:
          path: data/gsm8k
          variant: main
          split: train
          limit: null
          shuffle: true
          overlong: error
        prompt:
          template: plain
          loss_on: answer
        train:
          epochs: 1
          max_steps: null
          per_device_batch_size: 8
          gradient_accumulation_steps: 2
          max_length: 1024
          learning_rate: 1.0e-05
          min_learning_rate: 1.0e-06
          warmup_ratio: 0.03
          schedule: cosine
          max_gradient_norm: 1.0
          gradient_checkpointing: true
        optimizer:
          name: adamw_8bit
          betas: [0.9, 0.999]
          epsilon: 1.0e-08
          weight_decay: 0.0
          low_precision_update: master
        evaluation:
          split: test
          variant: main
          limit: 100
          max_new_tokens: 256
          batch_size: 16
          shots: 0
          instruction: null
          example: null
          stop: []
          probes: null
        device: auto
        cuda:
          libraries: null
          kernel_cache: null
          memory_limit_gb: null
        threads: null
        logging:
          steps: 1

        """)
  }

  @Test func everyKeyAtItsDefaultIsTheDefaultConfiguration() throws {
    #expect(try configuration("run: {}\n") == RunConfiguration(named: "a"))
  }

  @Test func resolvedYAMLReadsBackAsAnEqualConfiguration() throws {
    var generator = ConfigurationGenerator(state: 42)
    for round in 0..<500 {
      let original = RunConfiguration.random(using: &generator)
      let text = original.resolvedYAML()
      let found = try RunConfiguration.parse(Array(text.utf8), file: "config.yaml")
      #expect(found == original, "round \(round):\n\(text)")
      #expect(found.resolvedYAML() == text)
    }
  }

  @Test func savedYAMLReadsBackAsAllButWhatOpensLibraries() throws {
    var generator = ConfigurationGenerator(state: 7)
    for round in 0..<200 {
      var original = RunConfiguration.random(using: &generator)
      let text = original.savedYAML()
      let found = try RunConfiguration.parse(Array(text.utf8), file: "config.yaml")
      #expect(found.savedYAML() == text)
      (original.cuda.libraries, original.cuda.kernelCache) = (nil, nil)
      #expect(found == original, "round \(round):\n\(text)")
    }
  }

  @Test func savedYAMLLacksTwoLinesOfTheResolvedOne() {
    let configuration = RunConfiguration(named: "a")
    let saved = configuration.savedYAML().split(separator: "\n")
    let lacking = configuration.resolvedYAML().split(separator: "\n").filter { !saved.contains($0) }
    #expect(lacking == ["  libraries: null", "  kernel_cache: null"])
  }

  @Test(arguments: [
    "", " ", "a ", "- a", "a: b", "a #b", "null", "~", "yes", "true", "1", "1e5", "017", "2024-01-02", "'",
    "\"", "\\",
    "a\nb", "\r\n", "\t", "\u{85}", "\u{2028}", "\u{FEFF}", "\u{7F}", "\u{9F}", "\u{FFFE}", "\u{10FFFF}", "é",
    "👩‍👩‍👧", "${a}",
    "\\${a}", "\\\\${", "${", "${\u{301}a}", "$", "{a}", "[a]", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">",
    "?", "---",
    "...", "<<", "=",
    "\u{1}", "\u{1F}",
  ])
  func everyStringReadsBackAsItself(text: String) throws {
    var original = RunConfiguration(named: "a")
    original.evaluation.stop = ["x" + text, text + "x", text].filter { !$0.isEmpty }
    let found = try RunConfiguration.parse(Array(original.resolvedYAML().utf8), file: "config.yaml")
    #expect(found.evaluation.stop.map { Array($0.utf8) } == original.evaluation.stop.map { Array($0.utf8) })
  }
}

/// SplitMix64.
struct ConfigurationGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

extension RunConfiguration {
  /// A configuration that keeps every rule, with every property drawn.
  fileprivate static func random(using generator: inout ConfigurationGenerator) -> RunConfiguration {
    func pick<Choice: CaseIterable>(_: Choice.Type) -> Choice where Choice.AllCases == [Choice] {
      Choice.allCases[Int.random(in: Choice.allCases.indices, using: &generator)]
    }
    func count() -> Int {
      .random(in: 1...(Bool.random(using: &generator) ? 100 : 2_147_483_647), using: &generator)
    }
    func maybe<Value>(_ value: @autoclosure () -> Value) -> Value? {
      Bool.random(using: &generator) ? value() : nil
    }
    func positive() -> Double { Double.random(in: 1...10, using: &generator) * pick(Scale.self).factor }
    func share() -> Double { .random(in: 0..<1, using: &generator) }
    func floatShare() -> Double { .random(in: 1e-6...0.9999, using: &generator) }
    func text() -> String {
      let alphabet = Array("ab zé1.:#-'\"\\\n\t${}[]&*!|>%@,?=/~👩‍👧\u{85}\u{2028}\u{FEFF}".unicodeScalars)
      let scalars = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
        alphabet[Int.random(in: alphabet.indices, using: &generator)]
      }
      return scalars.reduce(into: "") { $0.unicodeScalars.append($1) }
    }

    var drawn = RunConfiguration(named: String(text().unicodeScalars.filter { $0 != "/" }) + "x")
    drawn.run.directory = text()
    drawn.run.seed = .random(in: 0 ... .max, using: &generator)
    drawn.model.path = text()
    drawn.model.initialize = pick(ModelSection.Initialize.self)
    drawn.model.precision = pick(ModelSection.Precision.self)
    drawn.method = pick(Method.self)
    drawn.lora.rank = .random(in: 1...65_536, using: &generator)
    drawn.lora.alpha = positive()
    drawn.lora.dropout = floatShare()
    drawn.lora.targets = LinearModule.allCases.shuffled(using: &generator).dropLast(
      .random(in: 0...6, using: &generator))
    drawn.lora.initializeFrom = drawn.method == .lora ? maybe(text()) : nil
    drawn.data.path = text()
    drawn.data.variant = pick(Variant.self)
    drawn.data.split = pick(Split.self)
    drawn.data.limit = maybe(count())
    drawn.data.shuffle = .random(using: &generator)
    drawn.data.overlong = pick(DataSection.Overlong.self)
    drawn.prompt.template = pick(PromptWording.Template.self)
    drawn.prompt.lossOn = pick(PromptSection.LossOn.self)
    drawn.train.epochs = .random(using: &generator) ? Double(count()) : 1000 * floatShare()
    drawn.train.maxSteps = maybe(count())
    drawn.train.perDeviceBatchSize = count()
    drawn.train.gradientAccumulationSteps = count()
    drawn.train.maxLength = count()
    drawn.train.learningRate = positive()
    drawn.train.minLearningRate = drawn.train.learningRate * floatShare()
    drawn.train.warmupRatio = share()
    drawn.train.schedule = pick(LearningRateSchedule.Shape.self)
    drawn.train.maxGradientNorm = maybe(positive())
    drawn.train.gradientCheckpointing = pick(TrainSection.GradientCheckpointing.self)
    drawn.optimizer.name = pick(OptimizerSection.Name.self)
    drawn.optimizer.betas = .init(beta1: floatShare(), beta2: floatShare())
    drawn.optimizer.epsilon = positive()
    drawn.optimizer.weightDecay = positive()
    drawn.optimizer.lowPrecisionUpdate = pick(OptimizerSection.LowPrecisionUpdate.self)
    drawn.evaluation.split = pick(Split.self)
    drawn.evaluation.variant = pick(Variant.self)
    drawn.evaluation.limit = maybe(count())
    drawn.evaluation.maxNewTokens = count()
    drawn.evaluation.batchSize = count()
    drawn.evaluation.example = maybe(.init(question: text(), answer: text()))
    drawn.evaluation.shots = drawn.evaluation.example == nil ? 0 : 1
    drawn.evaluation.instruction = maybe(text())
    drawn.evaluation.stop = (0..<Int.random(in: 0...3, using: &generator)).map { _ in text() }
    drawn.evaluation.probes = maybe(text())
    drawn.device = pick(Device.self)
    drawn.cuda.libraries = maybe(text())
    drawn.cuda.kernelCache = maybe(text())
    drawn.cuda.memoryLimitGB = maybe(positive())
    drawn.threads = maybe(.random(in: 1...256, using: &generator))
    drawn.logging.steps = count()
    return drawn
  }

  private enum Scale: CaseIterable {
    case tiny, small, one, large
    var factor: Double {
      switch self {
      case .tiny: 1e-30
      case .small: 1e-6
      case .one: 1
      case .large: 1e18
      }
    }
  }
}
