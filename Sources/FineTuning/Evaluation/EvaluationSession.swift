import Files
import GSM8K
import Gemma
import Glibc
import Tensors

/// One evaluation of a model from configuration to files: what `gemmatune eval` does.
package struct EvaluationSession {
  private let configuration: RunConfiguration
  private let listener: Listener
  private let finished: FinishedRun
  /// The file of the questions.
  private let references: String
  private let problems: [Problem]
  private let probes: [Probe]
  private let prompt: Prompt
  /// Problems, then probes, as the model reads them.
  private let questions: [EncodedQuestion]

  private var setup: ModelSetup { finished.setup }

  /// Reads the questions and the headers of the model, but never the weights.
  /// - Throws: `Fault`; nothing has been written.
  package init(
    _ configuration: RunConfiguration, otherBase: OtherBase = .refused, _ listener: Listener
  ) throws {
    self.configuration = configuration
    self.listener = listener
    finished = try FinishedRun(configuration, otherBase: otherBase)
    let setup = finished.setup
    let evaluation = configuration.evaluation
    let (folder, split) = (configuration.data.path, evaluation.split.rawValue)
    references = try problemFile(folder: folder, split: split, variant: evaluation.variant)
    problems = try loadProblems(
      folder: folder, split: split, variant: evaluation.variant, limit: evaluation.limit)
    probes = try evaluation.probes.map(Probe.load) ?? []
    prompt = try Prompt(PromptWording(evaluation: configuration), setup.tokenizer, setup.configuration)
    questions = try Self.encoded(configuration, problems, probes, references, prompt, setup)
  }

  /// Answers the questions, scores them and writes `evaluation/` in the run's directory.
  /// - Throws: `Fault`; no file is written unless all questions were answered.
  package func run() throws -> EvaluationSummary {
    let (device, kernels) = try ComputeDevice.opened(configuration)
    try requireRoom(on: device)
    WorkUnderWay.begin(.weights, configuration)
    let (model, base) = try finished.model(kernels)
    // Before the work, so that nobody waits for files that cannot be written.
    let folders = absentFolders()
    let directory = try lockedDirectory()
    (["evaluating on \(kernels.summary)"] + device.notes).forEach(listener.note)
    // Another base model is reported even to those who want no progress, since the score is not the run's.
    finished.notes(base).forEach(base == .other ? listener.warn : listener.note)
    notePromptMismatch(finished.facts)
    notePositions()

    let evaluator = Evaluator(
      model: model, prompt: prompt, kernels: kernels, configuration: configuration.evaluation)
    let watch = Stopwatch()
    WorkUnderWay.begin(.answering, configuration)
    let answers = try answers(evaluator, watch, otherwiseRemoving: folders)
    let scores = zip(problems, answers).map { ScoredAnswer($1.completion, to: $0) }
    var summary = EvaluationSummary(
      configuration, kernels, score: Score(of: scores), of: answers, seconds: watch.seconds)
    summary.promptHash = prompt.hash
    summary.references = references
    summary.isOverOtherBase = base == .other
    let rows = zip(zip(problems, answers), scores).map { AnswerRecord($0.0, $0.1, $1) }
    let probeRows = zip(probes, answers.dropFirst(problems.count)).map(ProbeRecord.init)
    try EvaluationRecord(rows, probes: probeRows, summary).write(
      to: directory.paths, configuration: configurationOfItsOwn)
    return summary
  }

  /// The text of the configuration of a base run, since no training has written it.
  private var configurationOfItsOwn: String? {
    configuration.method == .none ? configuration.savedYAML() : nil
  }

  /// Questions and probes as the model reads them.
  /// - Throws: `Fault` naming the line of a question that needs more positions than the model has.
  private static func encoded(
    _ configuration: RunConfiguration, _ problems: [Problem], _ probes: [Probe], _ references: String,
    _ prompt: Prompt, _ setup: ModelSetup
  ) throws -> [EncodedQuestion] {
    let positions = setup.configuration.maxPositionEmbeddings
    return try problems.map {
      try EncodedQuestion($0.question, file: references, line: $0.id + 1, prompt, positions: positions)
    }
      + probes.map {
        try EncodedQuestion(
          $0.question, file: configuration.evaluation.probes ?? "", line: $0.line, prompt,
          positions: positions)
      }
  }

  /// Refuses an evaluation that does not fit into the memory budget.
  /// - Throws: `Fault` .unavailable with the settings that would fit.
  private func requireRoom(on device: ComputeDevice) throws {
    let memory = EvaluationMemory(
      configuration, setup.configuration, promptLengths: questions.map(\.tokens.count),
      isOnDevice: device.isGPU)
    if let refusal = memory.refusal(try device.memory(configuration)) { throw refusal }
  }

  /// The answers to all questions.
  /// - folders: folders that are removed again if there are no answers and the folders are empty.
  /// - Throws: `Fault` when the device failed, or the model computes numbers that are not finite.
  private func answers(
    _ evaluator: Evaluator, _ watch: Stopwatch, otherwiseRemoving folders: [String]
  ) throws -> [ModelAnswer] {
    var isDone = false
    defer { if !isDone { folders.forEach { rmdir($0) } } }
    let progress = listener.begin("evaluated", questions.count)
    let batchSize = configuration.evaluation.batchSize
    do {
      let answers = try evaluator.answers(to: questions.map(\.tokens)) {
        progress($0, "\(watch.seconds.formatted(decimals: 1)) s", $0.isMultiple(of: batchSize))
      }
      try evaluator.kernels.check(.answering, configuration)
      isDone = true
      return answers
    } catch let output as NonFiniteOutput {
      // The numbers of a device that failed mean nothing, finite or not.
      try evaluator.kernels.check(.answering, configuration)
      throw questions[output.prompt].fault(output)
    }
  }

  /// Notes when answers may go on past the model's positions.
  private func notePositions() {
    let note = EncodedQuestion.positionsNote(
      questions, maxNewTokens: configuration.evaluation.maxNewTokens,
      positions: setup.configuration.maxPositionEmbeddings)
    if let note { listener.note(note) }
  }

  /// The folders of the evaluation's path that do not exist yet, the innermost first.
  private func absentFolders() -> [String] {
    var folders = [RunPaths(configuration.run.directory).evaluation, configuration.run.directory]
    while let last = folders.last, let slash = last.lastIndex(of: "/"), slash > last.startIndex {
      folders.append(String(last[..<slash]))
    }
    return folders.filter { !isDirectory($0) }
  }

  /// The run's directory, with a folder for the evaluation.
  /// - Throws: `Fault` .inUse or .cannotCreate. The latter also for a base evaluation in the folder of a
  ///   training run, whose configuration it would replace.
  private func lockedDirectory() throws -> RunDirectory {
    let directory = try RunDirectory(locking: configuration.run.directory)
    if configuration.method == .none { try directory.requireUnused() }
    try makeDirectory(directory.paths.evaluation)
    return directory
  }

  /// Notes when the weights were trained with another prompt than they are evaluated with.
  private func notePromptMismatch(_ facts: RunFacts?) {
    guard let facts, facts.promptHash != prompt.hash else { return }
    listener.note(
      "note: the prompt differs from the one that these weights were trained with "
        + "(\(prompt.hash), trained with \(facts.promptHash))")
  }
}
