import Files
import GSM8K
import Gemma
import Glibc
import Tensors

/// One evaluation from configuration to files: what `gemmatune eval` does with a model.
struct EvaluationSession {
  private let configuration: RunConfiguration
  private let quiet: Bool

  init(_ configuration: RunConfiguration, quiet: Bool) {
    self.configuration = configuration
    self.quiet = quiet
  }

  /// Answers the split's questions, scores them and writes `evaluation/` in the run's directory.
  /// - Throws: `Fault`; no file is written unless all questions were answered.
  func run() throws -> EvaluationSummary {
    let setup = try ModelSetup(configuration)
    let evaluation = configuration.evaluation
    let variant = evaluation.variant
    let problems = try loadProblems(
      folder: configuration.data.path, split: evaluation.split.rawValue, variant: variant,
      limit: evaluation.limit)
    let probes = try evaluation.probes.map(Probe.load) ?? []
    let prompt = try Prompt(PromptWording(evaluation: configuration), setup.tokenizer, setup.configuration)
    try setup.requireFinished(in: configuration.run.directory)
    let (device, kernels) = try ComputeDevice.opened(configuration)
    let model = try setup.finishedModel(in: configuration.run.directory, kernels)
    // Before the work: what cannot be written should not be waited for.
    let directory = try lockedDirectory()
    if !quiet { (["evaluating on \(kernels.summary)"] + device.notes).forEach(Console.note) }
    notePromptMismatch(prompt)

    let evaluator = Evaluator(model: model, prompt: prompt, kernels: kernels, configuration: evaluation)
    let progress = Progress("evaluated", total: problems.count + probes.count, quiet: quiet)
    let watch = Stopwatch()
    let answers = evaluator.answers(to: problems.map(\.question) + probes.map(\.question)) {
      progress.report(
        $0, "\(watch.seconds.formatted(decimals: 1)) s", isDue: $0.isMultiple(of: evaluation.batchSize))
    }
    try kernels.check(.answering, configuration)
    let predictions = zip(problems, answers).map(Prediction.init)
    let summary = EvaluationSummary(
      score: Score(of: predictions.map(\.score)), tokenCount: answers.reduce(0) { $0 + $1.tokenCount },
      seconds: watch.seconds, promptHash: prompt.hash, model: configuration.model.path,
      run: configuration.run.name, method: configuration.method.rawValue,
      references: try problemFile(
        folder: configuration.data.path, split: evaluation.split.rawValue, variant: variant),
      batchSize: evaluation.batchSize, kernels: kernels.summary)
    let probeLines = zip(probes, answers.dropFirst(problems.count)).map { $0.json($1) }
    try write(summary, predictions, probeLines, to: directory)
    return summary
  }

  /// The run's directory, with a folder for the evaluation.
  /// - Throws: `Fault` .inUse or .cannotCreate, the latter also for a base evaluation in the folder of a training run,
  ///   whose configuration it would replace.
  private func lockedDirectory() throws -> RunDirectory {
    let directory = try RunDirectory(locking: configuration.run.directory)
    if configuration.method == .none { try directory.requireUnused() }
    try makeDirectory(directory.evaluationFolder)
    return directory
  }

  private func write(
    _ summary: EvaluationSummary, _ predictions: [Prediction], _ probes: [JSONValue],
    to directory: RunDirectory
  ) throws {
    let folder = directory.evaluationFolder
    // The summary comes last: where it is, the other files are of the same evaluation.
    for name in ["summary.json", "probes.jsonl"] { unlink("\(folder)/\(name)") }
    // A base run has no training that would have written its configuration.
    if configuration.method == .none {
      try writeAtomically(configuration.savedYAML(), to: directory.configurationFile)
    }
    func lines(_ rows: [JSONValue]) -> String { rows.map { $0.text() + "\n" }.joined() }
    try writeAtomically(lines(predictions.map(\.json)), to: "\(folder)/predictions.jsonl")
    if !probes.isEmpty { try writeAtomically(lines(probes), to: "\(folder)/probes.jsonl") }
    try writeAtomically(summary.json.text(indent: 2) + "\n", to: "\(folder)/summary.json")
  }

  /// Says so when the weights were trained with another prompt than they are evaluated with.
  private func notePromptMismatch(_ prompt: Prompt) {
    guard !quiet, configuration.method != .none,
      let facts = try? RunFacts(contentsOf: RunDirectory.finalFolder(in: configuration.run.directory)),
      facts.promptHash != prompt.hash
    else { return }
    Console.note(
      "note: the prompt differs from the one that these weights were trained with "
        + "(\(prompt.hash), trained with \(facts.promptHash))")
  }
}
