import Files
import Foundation
import Gemma
import Tensors
import FineTuning

/// The folder of committed reference values.
let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent().appendingPathComponent("Fixtures").path

/// The families of the three tiny models.
let families = ["gemma", "gemma2", "gemma3"]

/// The log of the Hugging Face Trainer for one family and method.
struct TrainingReference {
  let losses: [Double], gradientNorms: [Double], learningRates: [Double]
  /// The sequences that it trained on, in the order of the file.
  let examples: [TrainingExample]
  /// This program's configuration of the same training.
  var configuration: RunConfiguration

  init(_ family: String, _ method: RunConfiguration.Method) throws {
    let root = try json("\(fixtures)/\(family)/training.json")
    let logged = try wanted(root[method.rawValue]?.objectValue)
    func column(_ key: String) throws -> [Double] {
      try wanted(logged[key]?.arrayValue).compactMap(\.doubleValue)
    }
    losses = try column("loss")
    gradientNorms = try column("gradient_norm")
    learningRates = try column("learning_rate")
    let rows = try wanted(json("\(fixtures)/\(family)/training_data.json")["sequences"]?.arrayValue)
    examples = try rows.map { row in
      let ids = try wanted(row.objectValue?["ids"]?.arrayValue).compactMap(\.intValue)
      return TrainingExample(
        tokens: ids.map(Int32.init), promptLength: try wanted(row.objectValue?["promptLength"]?.intValue))
    }
    configuration = try Self.configuration(wanted(root["settings"]?.objectValue), method)
  }

  private static func configuration(
    _ settings: JSONObject, _ method: RunConfiguration.Method
  ) throws -> RunConfiguration {
    func number(_ key: String, in object: JSONObject) throws -> Double {
      try wanted(object[key]?.doubleValue)
    }
    var configuration = RunConfiguration(named: "parity")
    configuration.method = method
    configuration.model.precision = .float32
    configuration.data.shuffle = false
    configuration.train.epochs = try number("num_train_epochs", in: settings)
    configuration.train.perDeviceBatchSize = try wanted(settings["per_device_train_batch_size"]?.intValue)
    configuration.train.gradientAccumulationSteps = try wanted(
      settings["gradient_accumulation_steps"]?.intValue)
    configuration.train.warmupRatio = try number("warmup_steps", in: settings)
    configuration.train.maxGradientNorm = try number("max_grad_norm", in: settings)
    configuration.train.learningRate = try number(
      method.rawValue, in: wanted(settings["learning_rates"]?.objectValue))
    configuration.train.minLearningRate = try number(
      "min_lr", in: wanted(settings["lr_scheduler_kwargs"]?.objectValue))
    configuration.optimizer.name = .adamw
    configuration.optimizer.weightDecay = try number("weight_decay", in: settings)
    configuration.optimizer.epsilon = try number("adam_epsilon", in: settings)
    configuration.optimizer.betas = .init(
      beta1: try number("adam_beta1", in: settings), beta2: try number("adam_beta2", in: settings))
    return configuration
  }
}

/// Trains the parameters of `configuration.method` in the tiny model of `family`, read from its folder, on
/// `examples`.
/// - Returns: the metrics of every step, and the trained parameters.
func trained(
  _ family: String, _ examples: [TrainingExample], _ configuration: RunConfiguration,
  _ kernels: any Kernels = CPUKernels(threads: 2), mergedMicroBatches: Int = 1
) throws -> (steps: [StepMetrics], parameters: [(name: String, tensor: Tensor)]) {
  let folder = "\(fixtures)/\(family)"
  let precision: DType = configuration.model.precision == .bf16 ? .bfloat16 : .float32
  var model = try GemmaModel(contentsOf: folder, precision: precision)
  if configuration.method == .lora {
    model.placeWeights(kernels)
    var adapter = try AdapterWeights(contentsOf: "\(folder)/lora", for: model.configuration)
    adapter.place(kernels)
    model.attach(adapter)
  } else {
    model.copyWeights(kernels)
  }
  let trainer = try Trainer(model, examples, configuration, kernels, mergedMicroBatches: mergedMicroBatches)
  var steps: [StepMetrics] = []
  try trainer.run { steps.append($0) }
  let parameters = model.parameters(TrainedParameters(configuration.method))
  return (steps, parameters.map { ($0.name, kernels.onHost($0.tensor)) })
}

/// The object in a JSON file.
func json(_ path: String) throws -> JSONObject {
  try wanted(JSONValue(parsing: readFile(path), file: path).objectValue)
}

/// A value that a test cannot continue without.
func wanted<Value>(_ value: Value?) throws -> Value {
  guard let value else { throw Fault(.badData, "a fixture lacks a value") }
  return value
}

/// The largest difference between two columns, each relative to the expected value.
func largestRelativeDifference(_ values: [Double], _ expected: [Double]) -> Double {
  guard values.count == expected.count else { return .infinity }
  return zip(values, expected).reduce(0) { worst, pair in
    let difference = abs(pair.0 - pair.1) / max(abs(pair.1), 1e-300)
    return difference.isNaN ? .infinity : max(worst, pair.0 == pair.1 ? 0 : difference)
  }
}
