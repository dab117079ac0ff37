import Files
import Gemma
import Tensors

/// The model of an evaluation: that of a finished run, or the untouched base model where the method is none.
///
/// A full run needs only its own folder. An adapter stands over the base model of the configuration, which
/// must be the one that it was trained on unless another is allowed.
struct FinishedRun {
  /// Sizes and tokenizer.
  let setup: ModelSetup
  /// What the run recorded about itself; nil for a base model, and for weights without a record.
  let facts: RunFacts?
  private let run: RunConfiguration
  private let otherBase: OtherBase
  private let adapter: (weights: AdapterWeights, base: AdapterBase)?
  private let final: String

  /// Reads everything except for the weights: the model's headers, an adapter, and the record beside them.
  /// - Throws: `Fault`, also where the run is not finished.
  init(_ run: RunConfiguration, otherBase: OtherBase) throws {
    (self.run, self.otherBase) = (run, otherBase)
    final = RunPaths(run.run.directory).final
    guard run.method == .none || isDirectory(final) else {
      throw Fault(
        .missing, file: final, "no finished weights of this run",
        hint: "train it first: gemmatune train CONFIG")
    }
    setup = try run.method == .full ? Self.ownSetup(run) : ModelSetup(run)
    facts = run.method == .none ? nil : try RunFacts.found(in: final)
    guard run.method == .lora else {
      adapter = nil
      return
    }
    let base = try AdapterBase(ofAdapterIn: final)
    // Checked before the adapter is read. Over another base its shapes may not fit, which the base explains.
    if let fingerprint = try setup.storedFingerprint() { try Self.check(base, fingerprint, run, otherBase) }
    adapter = (try AdapterWeights(contentsOf: final, for: setup.configuration), base)
  }

  /// The headers of a full run's own model. A missing file of it cannot be downloaded again.
  private static func ownSetup(_ run: RunConfiguration) throws -> ModelSetup {
    do {
      return try ModelSetup(finished: run)
    } catch let fault as Fault where fault.kind == .missing {
      throw Fault(.missing, fault.message, hint: "put the file back, or train the run again")
    }
  }

  /// Reads the model and moves it to where the kernels compute.
  /// - Returns: the model, and how its base relates to the one that the adapter was trained on; nil without
  ///   an adapter.
  /// - Throws: `Fault`, also where the base is another and that is not allowed.
  func model(_ kernels: any Kernels) throws -> (model: GemmaModel, base: AdapterBase.Relation?) {
    var model = try setup.readModel()
    var relation: AdapterBase.Relation?
    if let adapter {
      relation = try Self.check(adapter.base, try setup.fingerprint(model, kernels), run, otherBase)
    }
    model.placeWeights(kernels)
    if var weights = adapter?.weights {
      weights.place(kernels)
      model.attach(weights)
    }
    try kernels.check(.weights, run)
    return (model, relation)
  }

  /// What the person should know about the weights' origin.
  func notes(_ relation: AdapterBase.Relation?) -> [String] {
    guard let base = adapter?.base else {
      if run.method == .none || facts != nil { return [] }
      return [
        "note: \(final) has no \(RunFacts.fileName): the prompt of its training is not known"
      ]
    }
    return switch relation {
    case .other: [base.note(on: run.model.path)]
    case .notRecorded: [base.notRecordedNote]
    case .same, nil: []
    }
  }

  @discardableResult private static func check(
    _ base: AdapterBase, _ fingerprint: BaseFingerprint, _ run: RunConfiguration, _ otherBase: OtherBase
  ) throws -> AdapterBase.Relation {
    let relation = base.relation(to: fingerprint)
    if relation == .other, otherBase == .refused {
      throw base.refusal(
        of: run.model.path, hint: "--allow-other-base evaluates over this one all the same")
    }
    return relation
  }
}
