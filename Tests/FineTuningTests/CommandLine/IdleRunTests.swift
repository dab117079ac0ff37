import Files
import Gemma
import Testing
import FineTuning

/// Runs that change no weight, or that end far above their start. They are refused where this is known
/// before, and reported afterwards otherwise.
@Suite struct IdleRunTests {
  private let onlyStep = CommandResult.refusal(
    78,
    "run.yaml: train.warmup_ratio: the run's only step is warm-up at a rate of 0: no weight would change; "
      + "expected a step at a rate above 0",
    hint: "set train.warmup_ratio=0, or allow more steps (train.max_steps, train.epochs, data.limit)")

  private func refusal(_ overrides: String...) throws -> CommandResult {
    let workspace = try Workspace()
    let before = workspace.contents
    let result = try workspace.run(["train", "run.yaml"] + overrides)
    #expect(workspace.contents == before)
    return result
  }

  @Test(arguments: ["full", "lora"])
  func onlyStepThatWarmsUpIsRefused(_ method: String) throws {
    #expect(try refusal("train.max_steps=1", "method=\(method)") == onlyStep)
    #expect(try refusal("train.max_steps=1", "method=\(method)", "--dry-run") == onlyStep)
  }

  @Test func dataForOneStepAreRefusedToo() throws {
    #expect(try refusal("data.limit=2") == onlyStep)
    #expect(try refusal("data.limit=2", "train.warmup_ratio=1.0", "train.schedule=linear") == onlyStep)
  }

  @Test func onlyStepWithoutWarmUpRuns() throws {
    let workspace = try Workspace()
    let result = try workspace.run(
      "train", "run.yaml", "train.max_steps=1", "train.warmup_ratio=0.0", "--quiet")
    #expect(result == CommandResult(status: 0, output: "runs/run/final\n", errors: ""))
  }

  @Test func twoStepsThatWarmUpRun() throws {
    // The second step runs at half the rate.
    let result = try Workspace().run(
      "train", "run.yaml", "train.max_steps=2", "train.warmup_ratio=1.0", "--quiet")
    #expect(result == CommandResult(status: 0, output: "runs/run/final\n", errors: ""))
  }

  /// The program looks at two steps at most. Every step gives the same verdict.
  @Test(arguments: LearningRateSchedule.Shape.allCases, [1e-5, 1e-44, 2e-45, 1e-46])
  func largestRatesTellForAllSteps(shape: LearningRateSchedule.Shape, rate: Double) {
    var refused = 0
    for steps in 1...9 {
      for ratio in [0, 0.03, 0.5, 0.99, 1] {
        let schedule = LearningRateSchedule(
          shape: shape, learningRate: rate, minLearningRate: 0, warmupRatio: ratio, steps: steps)
        let changes = (1...steps).contains { Float(schedule.learningRate(step: $0)) > 0 }
        #expect(schedule.changesWeights == changes, "\(steps) steps, warm-up \(ratio)")
        if !changes { refused += 1 }
      }
    }
    #expect(refused >= 4)
  }

  /// The warning lines of a run's log, and the notes of a report on it.
  private func told(_ workspace: Workspace) throws -> (log: [String], notes: [String]) {
    let log = try workspace.text("runs/run/train.log").split(separator: "\n").map(String.init)
    #expect(try workspace.run("report", "runs/run", "--output", "report").status == 0)
    let notes = try wanted(workspace.object("report/summary.json")["notes"]?.arrayValue)
    return (log.filter { $0.hasPrefix("warning: ") }, notes.compactMap(\.stringValue))
  }

  @Test(arguments: ["full", "lora"])
  func runThatChangedNothingIsToldInLogAndReport(_ method: String) throws {
    let workspace = try Workspace()
    // The weights are not 0. Rounded to the nearest bfloat16 they take no update of 1e-9, nor an adapter's
    // float32 one of 1e-30.
    let settings =
      method == "full"
      ? [
        "model.path=start/final", "model.initialize=pretrained", "optimizer.low_precision_update=nearest",
        "train.learning_rate=1e-9",
      ] : ["lora.initialize_from=start/final", "train.learning_rate=1e-30"]
    #expect(
      try workspace.run("train", "run.yaml", "method=\(method)", "run.directory=start", "--quiet").status == 0
    )
    let result = try workspace.run(
      ["train", "run.yaml", "method=\(method)", "train.min_learning_rate=0.0", "--quiet"] + settings)
    let warning =
      "warning: no weight changed in the whole run: the result is what it began with; raise train.learning_rate "
      + "(optimizer.low_precision_update: nearest rounds small updates away)"
    #expect(
      result == CommandResult(status: 0, output: "runs/run/final\n", errors: "\(warning)\n"))
    let (log, notes) = try told(workspace)
    #expect(log == [warning])
    #expect(notes.contains("run changed no weight: its result is what it began with."))
  }

  @Test func runThatDivergedIsToldInLogAndReport() throws {
    let workspace = try Workspace()
    let result = try workspace.run(
      "train", "run.yaml", "train.learning_rate=1e3", "train.epochs=4", "--quiet")
    #expect(result.status == 0 && result.output == "runs/run/final\n")
    let losses = try workspace.objects("runs/run/metrics.jsonl").compactMap { $0["loss"]?.doubleValue }
    let last = (losses[10] + losses[11]) / 2
    // ln 512 by hand.
    #expect(losses.count == 12 && last > 6.2383 + 1)
    let rise =
      "the loss rose from \(shown(losses[0])) to \(shown(last)) on average over the last 2 steps, above "
      + "ln(vocabulary) = 6.2383, the loss of guessing"
    let warning = "warning: training diverged: \(rise); lower train.learning_rate"
    #expect(result.errors == "\(warning)\n")
    let (log, notes) = try told(workspace)
    #expect(log == [warning])
    #expect(notes.contains("run diverged: \(rise)."))
  }

  /// A loss with the four decimals of messages.
  private func shown(_ loss: Double) -> String {
    let scaled = Int((loss * 10_000).rounded())
    let decimals = "\(scaled % 10_000)"
    return "\(scaled / 10_000)." + String(repeating: "0", count: 4 - decimals.count) + decimals
  }

  /// The verdicts on steps with these losses. The vocabulary has 512 pieces (ln 512 = 6.24) or is not known.
  private func verdicts(_ losses: [String], vocabulary: Int? = 512) throws -> [TrainingVerdict] {
    let text = losses.enumerated().map { stepLine($0 + 1, loss: $1) }.joined()
    return try withRunFolders(["metrics.jsonl": text]) {
      try wanted(TrainingCurve(contentsOf: "\($0)/metrics.jsonl")).verdicts(vocabularySize: vocabulary)
    }
  }

  @Test func lossThatStaysAtThatOfGuessingDidNotDiverge() throws {
    #expect(try verdicts(["6.3", "6.1", "6.5"]) == [])
    #expect(try verdicts(["7.2", "7.0", "8.1"]) == [])
  }

  @Test func lossThatRoseAboveThatOfGuessingDiverged() throws {
    let verdict = try #require(try verdicts(["6.24", "9.0", "7.5"]).first)
    #expect(
      verdict.note("a")
        == "a diverged: the loss rose from 6.2400 to 7.5000 at the last step, above ln(vocabulary) = 6.2383, the "
        + "loss of guessing.")
  }

  @Test func lossThatRoseByThreeNatsDivergedWhereverItIs() throws {
    // A broken model with 256,000 pieces has a loss of 9 nats, below ln 256,000 = 12.5.
    #expect(try verdicts(["1.2", "4.1"], vocabulary: 256_000) == [])
    let verdict = try #require(try verdicts(["1.2", "9.0"], vocabulary: 256_000).first)
    #expect(verdict.note("a") == "a diverged: the loss rose from 1.2000 to 9.0000 at the last step.")
    #expect(try verdicts(["1.2", "9.0"], vocabulary: nil) == [verdict])
  }

  @Test func oneStepThatChangesAWeightIsEnough() throws {
    let still = stepLine(1, loss: "1").replacing("\"changed_share\":0.25", with: "\"changed_share\":0.0")
    func verdicts(_ lines: String...) throws -> [TrainingVerdict] {
      try withRunFolders(["m": lines.joined()]) {
        try wanted(TrainingCurve(contentsOf: "\($0)/m")).verdicts(vocabularySize: nil)
      }
    }
    #expect(try verdicts(still) == [.unchanged])
    #expect(try verdicts(still, stepLine(2, loss: "1")) == [])
    // Older files do not record the share.
    #expect(try verdicts(still.replacing("\"changed_share\":0.0,", with: "")) == [])
  }
}
