import GSM8K
import Gemma

/// Everything that a run depends on, one stored section for each section of the YAML file.
///
/// Each default stands in this file alone. `ConfigurationFields.swift` binds the keys to the properties.
package struct RunConfiguration: Equatable, Sendable {
  /// The run's name, where its files go, and its seed.
  package var run: RunSection
  /// The base model.
  package var model = ModelSection()
  /// What is trained.
  package var method = Method.lora
  /// The adapter, used when `method` is `.lora`.
  package var lora = LoRASection()
  /// The training examples, and the folder that evaluation reads too.
  package var data = DataSection()
  /// The wording around question and answer, shared by training and evaluation.
  package var prompt = PromptSection()
  /// The training loop.
  package var train = TrainSection()
  /// The optimizer.
  package var optimizer = OptimizerSection()
  /// What `eval` does.
  package var evaluation = EvaluationSection()
  /// Where the arithmetic happens.
  package var device = Device.auto
  /// The GPU, used when `device` is not `.cpu`.
  package var cuda = CUDASection()
  /// Number of CPU worker threads; nil takes every core.
  package var threads: Int?
  /// What is reported while training.
  package var logging = LoggingSection()

  /// The default configuration of a run called `name`.
  package init(named name: String) {
    run = RunSection(name: name)
  }
}

extension RunConfiguration {
  /// What is trained: nothing, every parameter, or a low-rank adapter.
  package enum Method: String, CaseIterable, Sendable { case none, full, lora }

  /// Which half of GSM8K a file holds.
  package enum Split: String, CaseIterable, Sendable { case train, test }

  /// Where the arithmetic happens. `auto` takes a GPU where one works, otherwise the CPU.
  package enum Device: String, CaseIterable, Sendable { case auto, cpu, cuda }

  /// `run:`
  package struct RunSection: Equatable, Sendable {
    /// The run's name: one path component.
    package var name: String
    /// The run directory, relative to the working directory.
    package var directory: String
    /// The seed of every random stream: data order, dropout, initial weights, stochastic rounding.
    package var seed: UInt64 = 42

    /// The default section of a run called `name`.
    package init(name: String) {
      self.name = name
      directory = "runs/\(name)"
    }
  }

  /// `model:`
  package struct ModelSection: Equatable, Sendable {
    /// Where the weights come from: the checkpoint, or `run.seed` (then only config.json and tokenizer.model
    /// are read).
    package enum Initialize: String, CaseIterable, Sendable { case pretrained, random }
    /// The dtype of parameters and activations.
    package enum Precision: String, CaseIterable, Sendable { case bf16, float32 }

    /// A folder in Hugging Face's layout, relative to the working directory.
    package var path = "models/gemma-2b-it"
    package var initialize = Initialize.pretrained
    package var precision = Precision.bf16
    package init() {}
  }

  /// `lora:`
  package struct LoRASection: Equatable, Sendable {
    package var rank = 16
    /// Numerator of the scale alpha / rank of the adapter's product.
    package var alpha = 32.0
    /// The share of the adapter's inputs dropped while training, in [0, 1).
    package var dropout = 0.0
    /// The adapted linear maps: at least one, none twice.
    package var targets = LinearModule.allCases
    /// A PEFT adapter folder that training continues from.
    package var initializeFrom: String?
    package init() {}
  }

  /// `data:`
  package struct DataSection: Equatable, Sendable {
    /// What happens to a training example longer than `train.max_length`.
    package enum Overlong: String, CaseIterable, Sendable { case error, drop, truncate }

    /// A folder in OpenAI's layout (`train.jsonl`, `test_socratic.jsonl` ...), relative to the working
    /// directory.
    package var path = "data/gsm8k"
    package var variant = Variant.main
    package var split = Split.train
    /// Number of examples, taken from the start; nil takes all.
    package var limit: Int?
    /// Whether the order is drawn from `run.seed`; false keeps the file's order.
    package var shuffle = true
    package var overlong = Overlong.error
    package init() {}
  }

  /// `prompt:`
  package struct PromptSection: Equatable, Sendable {
    /// Which tokens are targets: those of the answer, or all.
    package enum LossOn: String, CaseIterable, Sendable { case answer, all }

    /// The wording: plain `Question: ... Answer:` or Gemma's turns.
    package var template = PromptWording.Template.plain
    package var lossOn = LossOn.answer
    package init() {}
  }

  /// `train:`
  package struct TrainSection: Equatable, Sendable {
    /// Whether each layer is computed again for its gradient, to save memory: `true`, `false`, or `auto`,
    /// which recomputes nothing when the plan says that everything fits.
    package enum GradientCheckpointing: Equatable, Sendable, CaseIterable, ExpressibleByBooleanLiteral {
      case always, never, auto

      /// `true` and `false` as they stand in a configuration.
      package init(booleanLiteral value: Bool) { self = value ? .always : .never }
    }

    /// How many times each example comes. The last epoch may be partial.
    package var epochs = 1.0
    /// Upper bound on the optimizer steps; nil means none.
    package var maxSteps: Int?
    package var perDeviceBatchSize = 8
    package var gradientAccumulationSteps = 2
    /// The longest training sequence, in tokens.
    package var maxLength = 1024
    package var learningRate = 1.0e-5
    package var minLearningRate = 1.0e-6
    /// The share of the optimizer steps spent warming up, in [0, 1].
    package var warmupRatio = 0.03
    /// The course of the rate after warm-up: down to `minLearningRate` for `cosine` and `linear`.
    package var schedule = LearningRateSchedule.Shape.cosine
    /// Gradients with a larger norm are scaled down to this; nil leaves them as they are.
    package var maxGradientNorm: Double? = 1.0
    package var gradientCheckpointing = GradientCheckpointing.always
    package init() {}
  }

  /// `optimizer:`
  package struct OptimizerSection: Equatable, Sendable {
    /// AdamW with 8-bit or 32-bit states.
    package enum Name: String, CaseIterable, Sendable {
      case adamw8bit = "adamw_8bit"
      case adamw
    }
    /// How a bf16 parameter takes an update: through a float32 master copy, by seeded stochastic rounding, or
    /// by rounding to nearest, which is plain bf16 training.
    package enum LowPrecisionUpdate: String, CaseIterable, Sendable { case master, stochastic, nearest }
    /// The decay rates of the two moments, each in [0, 1).
    package struct Betas: Equatable, Sendable {
      package var beta1 = 0.9
      package var beta2 = 0.999
      package init() {}
      package init(beta1: Double, beta2: Double) {
        self.beta1 = beta1
        self.beta2 = beta2
      }
    }

    package var name = Name.adamw8bit
    package var betas = Betas()
    package var epsilon = 1.0e-8
    package var weightDecay = 0.0
    package var lowPrecisionUpdate = LowPrecisionUpdate.master
    package init() {}
  }

  /// `evaluation:`
  package struct EvaluationSection: Equatable, Sendable {
    /// A worked example shown before the question.
    package struct Example: Equatable, Sendable {
      package var question: String
      package var answer: String
      package init(question: String, answer: String) {
        self.question = question
        self.answer = answer
      }
    }

    package var split = Split.test
    package var variant = Variant.main
    /// Number of questions, taken from the start; nil takes all.
    package var limit: Int? = 100
    package var maxNewTokens = 256
    package var batchSize = 16
    /// Number of worked examples before the question: 0, or 1, which needs `example`.
    package var shots = 0
    package var instruction: String?
    package var example: Example?
    /// Strings that end an answer.
    package var stop: [String] = []
    /// A JSONL file of questions that are answered and shown, but not scored.
    package var probes: String?
    package init() {}
  }

  /// `cuda:`
  package struct CUDASection: Equatable, Sendable {
    /// A folder that is searched for CUDA's libraries before any other.
    package var libraries: String?
    /// The folder of compiled kernels; nil is the user's cache.
    package var kernelCache: String?
    /// The most device memory that is used, in units of 10⁹ bytes; nil uses all that is free.
    package var memoryLimitGB: Double?
    package init() {}
  }

  /// `logging:`
  package struct LoggingSection: Equatable, Sendable {
    /// Optimizer steps from one progress line to the next.
    package var steps = 1
    package init() {}
  }
}
