import Files
import GSM8K
import Gemma
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
  /// - Throws: `Fault`; nothing is written unless all questions were answered.
  func run() throws -> EvaluationSummary {
    let setup = try ModelSetup(configuration)
    let evaluation = configuration.evaluation
    let variant = evaluation.variant
    let problems = try loadProblems(
      folder: configuration.data.path, split: evaluation.split.rawValue, variant: variant,
      limit: evaluation.limit)
    let probes = try evaluation.probes.map(Probe.load) ?? []
    let prompt = try Prompt(PromptWording(evaluation: configuration), setup.tokenizer, setup.configuration)
    let model = try setup.finishedModel(in: configuration.run.directory)
    notePromptMismatch(prompt)

    let evaluator = Evaluator(model: model, prompt: prompt, kernels: setup.kernels, configuration: evaluation)
    let progress = Progress("evaluated", total: problems.count + probes.count, quiet: quiet)
    let watch = Stopwatch()
    let answers = evaluator.answers(to: problems.map(\.question) + probes.map(\.question)) {
      progress.report($0, "\(watch.seconds.formatted(decimals: 1)) s")
    }
    let predictions = zip(problems, answers).map(Prediction.init)
    let summary = EvaluationSummary(
      score: Score(of: predictions.map(\.score)), tokenCount: answers.reduce(0) { $0 + $1.tokenCount },
      seconds: watch.seconds, promptHash: prompt.hash, model: configuration.model.path,
      run: configuration.run.name, method: configuration.method.rawValue,
      references: try problemFile(
        folder: configuration.data.path, split: evaluation.split.rawValue, variant: variant),
      batchSize: evaluation.batchSize)
    try write(summary, predictions, zip(probes, answers.dropFirst(problems.count)).map { $0.json($1) })
    return summary
  }

  private func write(_ summary: EvaluationSummary, _ predictions: [Prediction], _ probes: [JSONValue]) throws
  {
    let directory = try RunDirectory(locking: configuration.run.directory)
    try makeDirectory(directory.evaluationFolder)
    // A base run has no training that would have written its configuration.
    if configuration.method == .none {
      try writeAtomically(configuration.resolvedYAML(), to: directory.configurationFile)
    }
    func lines(_ rows: [JSONValue]) -> String { rows.map { $0.text() + "\n" }.joined() }
    try writeAtomically(lines(predictions.map(\.json)), to: "\(directory.evaluationFolder)/predictions.jsonl")
    if !probes.isEmpty {
      try writeAtomically(lines(probes), to: "\(directory.evaluationFolder)/probes.jsonl")
    }
    try writeAtomically(summary.json.text(indent: 2) + "\n", to: "\(directory.evaluationFolder)/summary.json")
  }

  /// Says so when the weights were trained with another prompt than they are evaluated with.
  private func notePromptMismatch(_ prompt: Prompt) {
    guard configuration.method != .none,
      let facts = try? RunFacts(contentsOf: RunDirectory.finalFolder(in: configuration.run.directory)),
      facts.promptHash != prompt.hash
    else { return }
    Console.note(
      "note: the prompt differs from the one that these weights were trained with "
        + "(\(prompt.hash), trained with \(facts.promptHash))")
  }
}
