import Files
import Testing
import FineTuning

/// A run that cannot fit is refused by name: no allocation ends in a trap, and nothing waits forever.
@Suite struct MemoryLimitTests {
  private let workspace: Workspace

  init() throws { workspace = try Workspace() }

  /// Runs the command with a limit on addresses, in kibibytes.
  private func run(below limit: Int, _ arguments: [String]) throws -> CommandResult {
    try workspace.run(arguments, shell: "ulimit -v \(limit) && exec timeout 60 \"$@\"")
  }

  private let evaluation = ["eval", "run.yaml", "method=none", "run.directory=runs/base"]

  @Test(arguments: [
    ["evaluation.max_new_tokens=500000000"],
    ["evaluation.max_new_tokens=2000000000", "evaluation.batch_size=100000"],
  ])
  func answersThatCannotFitAreRefused(_ overrides: [String]) throws {
    let result = try workspace.run(evaluation + overrides)
    #expect(result.status == 69)
    #expect(result.errors.hasPrefix("error: memory: the evaluation needs "))
    #expect(result.errors.contains("the most for keys and values; "))
    #expect(
      result.errors.contains("\nhint: it fits with ") && result.errors.contains("evaluation.max_new_tokens="))
    #expect(!workspace.contents.contains("runs"))
  }

  @Test func trainingBelowALimitOnAddressesIsRefusedByName() throws {
    let result = try run(below: 200_000, ["train", "run.yaml"])
    #expect(result.status == 69)
    #expect(result.errors.hasPrefix("error: memory: matrix products on 1 thread take "))
    #expect(result.errors.contains(" of addresses; the limit (ulimit -v) leaves "))
    #expect(result.errors.hasSuffix("\nhint: raise the limit\n"))
    #expect(!workspace.contents.contains("runs"))
  }

  @Test func fewerThreadsAreNamedWhereTheyFit() throws {
    let result = try run(below: 400_000, ["train", "run.yaml", "threads=8"])
    #expect(result.status == 69)
    #expect(result.errors.hasPrefix("error: memory: matrix products on 8 threads take "))
    #expect(result.errors.hasSuffix("\nhint: set threads=1, or raise the limit\n"))
  }

  @Test func helpBelowALimitOnAddressesEnds() throws {
    let result = try run(below: 150_000, ["--help"])
    #expect(result.status == 0 && result.output.hasPrefix("OVERVIEW: "))
  }

  @Test func memoryThatEndsInTheMiddleNamesTheWorkAndTheSettings() {
    var run = RunConfiguration(named: "a")
    run.train.gradientCheckpointing = .never
    #expect(
      ComputeStage.activations(step: 3).exhausted(1_500_000_000, run)
        == Fault(
          .unavailable, "step 3: activations: memory: 1.50 GB more cannot be had",
          hint:
            "set train.gradient_checkpointing=true or a smaller train.per_device_batch_size, or end other programs"
        ))
    #expect(
      ComputeStage.answering.exhausted(2_000_000, run).message
        == "answering: keys, values and activations: memory: 2.0 MB more cannot be had")
  }

  @Test func trainingAboveTheLimitRuns() throws {
    #expect(try run(below: 800_000, ["train", "run.yaml"]).status == 0)
  }
}
