import Files
import FoundationEssentials
import Gemma
import Tensors

/// What every command that computes begins with: kernels, the model's sizes and its tokenizer; weights on demand.
package struct ModelSetup {
  /// What computes.
  package let kernels: any Kernels
  /// The base model's sizes.
  package let configuration: ModelConfiguration
  /// The base model's tokenizer.
  package let tokenizer: Tokenizer
  private let run: RunConfiguration

  /// Reads the headers of a run's base model, not its weights.
  /// - Throws: `Fault`.
  package init(_ run: RunConfiguration) throws {
    self.run = run
    kernels = CPUKernels(threads: run.threads ?? ProcessInfo.processInfo.activeProcessorCount)
    configuration = try ModelConfiguration(contentsOf: "\(run.model.path)/config.json")
    tokenizer = try Tokenizer(
      contentsOf: "\(run.model.path)/tokenizer.model", embeddingRows: configuration.vocabSize)
  }

  /// Element type of weights and activations.
  var precision: DType { run.model.precision == .bf16 ? .bfloat16 : .float32 }

  /// The base model where the kernels compute.
  /// - Throws: `Fault`.
  func baseModel() throws -> GemmaModel {
    var model = try readModel()
    model.placeWeights(kernels)
    return model
  }

  /// The base model in main memory: read from its folder, or drawn from the run's seed.
  private func readModel() throws -> GemmaModel {
    switch run.model.initialize {
    case .pretrained: try GemmaModel(contentsOf: run.model.path, configuration, precision: precision)
    case .random: GemmaModel(random: configuration, precision: precision, key: key(RandomStream.weights))
    }
  }

  /// The base model made ready for the run's method: with its own copy of the weights, or with an adapter.
  /// - Returns: the model, and the adapter whose storage it shares.
  /// - Throws: `Fault`.
  func trainableModel() throws -> (model: GemmaModel, adapter: AdapterWeights?) {
    guard run.method == .lora else {
      var model = try readModel()
      model.copyWeights(kernels)
      return (model, nil)
    }
    var model = try baseModel()
    var adapter = try adapter()
    adapter.place(kernels)
    model.attach(adapter)
    return (model, adapter)
  }

  /// The base model with what the run's training made of it; the base alone when its method is none.
  /// - Throws: `Fault` .missing when the run is not finished.
  func finishedModel(in directory: String) throws -> GemmaModel {
    let final = RunDirectory.finalFolder(in: directory)
    if run.method != .none, !isDirectory(final) {
      throw Fault(
        .missing, file: final, "no finished weights of this run",
        hint: "train it first: gemmatune train CONFIG")
    }
    switch run.method {
    case .none: return try baseModel()
    case .full:
      var model = try GemmaModel(contentsOf: final, precision: precision)
      model.placeWeights(kernels)
      return model
    case .lora:
      var model = try baseModel()
      var adapter = try AdapterWeights(contentsOf: final, for: configuration)
      adapter.place(kernels)
      model.attach(adapter)
      return model
    }
  }

  /// The adapter that training starts from: a saved one, or a new one as PEFT draws it.
  private func adapter() throws -> AdapterWeights {
    if var adapter = try savedAdapter() {
      adapter.dropout = run.lora.dropout
      return adapter
    }
    return AdapterWeights(
      random: configuration, rank: run.lora.rank, alpha: run.lora.alpha, dropout: run.lora.dropout,
      targets: run.lora.targets, key: key(RandomStream.adapter))
  }

  /// The adapter that `lora.initialize_from` names; nil without.
  /// - Throws: `Fault`, also when it is not of the size that the configuration says.
  func savedAdapter() throws -> AdapterWeights? {
    guard let folder = run.lora.initializeFrom else { return nil }
    let adapter = try AdapterWeights(contentsOf: folder, for: configuration)
    func names(_ targets: [LinearModule]) -> String {
      LinearModule.allCases.filter(targets.contains).map(\.rawValue).joined(separator: ", ")
    }
    for (key, saved, wanted) in [
      ("rank", "\(adapter.rank)", "\(run.lora.rank)"), ("alpha", "\(adapter.alpha)", "\(run.lora.alpha)"),
      ("targets", "[\(names(adapter.targets))]", "[\(names(run.lora.targets))]"),
    ] where saved != wanted {
      throw Fault(
        .configuration, file: folder, "the adapter's \(key) is \(saved), got lora.\(key) = \(wanted)",
        hint: "an adapter goes on as it was begun: set lora.\(key)=\(saved)")
    }
    return adapter
  }

  private func key(_ stream: UInt64) -> RandomKey { RandomKey(seed: run.run.seed, stream: stream) }
}
