import Files
import Gemma
import Tensors

/// The model of a command that computes: its sizes, its tokenizer and the headers of its weights, all checked
/// against each other. The weights are read on demand.
package struct ModelSetup {
  /// The model's sizes.
  package let configuration: ModelConfiguration
  /// The model's tokenizer.
  package let tokenizer: Tokenizer
  private let run: RunConfiguration
  /// The opened weights; nil where weights are drawn from the run's seed.
  private let weights: ModelWeights?

  /// Reads the headers of a run's base model, not its weights.
  /// - Throws: `Fault`.
  package init(_ run: RunConfiguration) throws {
    try self.init(run, folder: run.model.path, isStored: run.model.initialize == .pretrained)
  }

  /// Reads the headers of the finished model of a full run.
  /// - Throws: `Fault`.
  init(finished run: RunConfiguration) throws {
    try self.init(run, folder: RunPaths(run.run.directory).final, isStored: true)
  }

  private init(_ run: RunConfiguration, folder: String, isStored: Bool) throws {
    try requireModelFolder(folder)
    self.run = run
    configuration = try ModelConfiguration(contentsOf: "\(folder)/config.json")
    tokenizer = try Tokenizer(
      contentsOf: "\(folder)/tokenizer.model", embeddingRows: configuration.vocabSize)
    weights = isStored ? try ModelWeights(contentsOf: folder, for: configuration) : nil
  }

  /// Element type of weights and activations.
  var precision: DType { run.model.precision == .bf16 ? .bfloat16 : .float32 }

  /// The model in main memory: read from its folder, or drawn from the run's seed.
  /// - Throws: `Fault`.
  func readModel() throws -> GemmaModel {
    if let weights { return try GemmaModel(weights, configuration, precision: precision) }
    return GemmaModel(random: configuration, precision: precision, key: key(RandomStream.weights))
  }

  /// The fingerprint of the stored weights; nil where weights are drawn.
  /// - Throws: `Fault`.
  func storedFingerprint() throws -> BaseFingerprint? { try weights?.fingerprint(configuration) }

  /// The fingerprint of the base weights of `model`, read or drawn, without adapters.
  /// - Throws: `Fault`.
  func fingerprint(_ model: GemmaModel, _ kernels: any Kernels) throws -> BaseFingerprint {
    try storedFingerprint() ?? model.baseFingerprint(kernels)
  }

  /// The base model, ready for the run's method: with its own copy of the weights, or with an adapter.
  /// - Returns: the model, and the adapter whose storage it shares.
  /// - Throws: `Fault`.
  func trainableModel(_ kernels: any Kernels) throws -> (model: GemmaModel, adapter: AdapterWeights?) {
    guard run.method == .lora else {
      var model = try readModel()
      model.copyWeights(kernels)
      try kernels.check(.weights, run)
      return (model, nil)
    }
    var model = try readModel()
    var adapter = try adapter(over: model, kernels)
    model.placeWeights(kernels)
    adapter.place(kernels)
    model.attach(adapter)
    try kernels.check(.weights, run)
    return (model, adapter)
  }

  /// The adapter that training starts from: a saved one, or a new one drawn in PEFT's way.
  private func adapter(over model: GemmaModel, _ kernels: any Kernels) throws -> AdapterWeights {
    if var adapter = try savedAdapter(over: { try fingerprint(model, kernels) }) {
      adapter.dropout = run.lora.dropout
      return adapter
    }
    return AdapterWeights(
      random: configuration, rank: run.lora.rank, alpha: run.lora.alpha, dropout: run.lora.dropout,
      targets: run.lora.targets, key: key(RandomStream.adapter))
  }

  /// The adapter that `lora.initialize_from` names; nil without.
  /// - Parameter base: the base model's fingerprint; nil where it is not known yet.
  /// - Throws: `Fault`, also for an adapter of another size than is configured, or trained on another base.
  func savedAdapter(over base: () throws -> BaseFingerprint?) throws -> AdapterWeights? {
    guard let folder = run.lora.initializeFrom else { return nil }
    let recorded = try AdapterBase(ofAdapterIn: folder)
    if let base = try base(), recorded.relation(to: base) == .other {
      throw recorded.refusal(
        of: run.model.path, hint: "an adapter goes on over the base model that it was begun on")
    }
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
