import Files
import Foundation
import Testing
import FineTuning

/// Output that cannot be made or written, and a run directory that is in use.
@Suite struct OutputFaultTests {
  private let inUse = CommandResult.refusal(
    75, "runs/run: the run directory is in use by another process",
    hint: "wait for it to end, or set run.directory to another folder")

  @Test func runThatExists() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml").status == 0)
    let before = try workspace.bytes("runs/run/metrics.jsonl")
    #expect(
      try workspace.run("train", "run.yaml")
        == .refusal(
          73, "runs/run: a run is there already (it has metrics.jsonl)",
          hint: "set run.name or run.directory to another, or remove the folder"))
    #expect(try workspace.bytes("runs/run/metrics.jsonl") == before)
  }

  @Test func runInUse() throws {
    let workspace = try Workspace()
    // The state of a run that has begun: its files exist, and its process holds the lock.
    try workspace.write("runs/run/metrics.jsonl", "")
    let lock = try RunDirectory(locking: "\(workspace.path)/runs/run")
    let before = workspace.contents
    #expect(try workspace.run("train", "run.yaml") == inUse)
    #expect(workspace.contents == before)
    withExtendedLifetime(lock) {}
  }

  @Test func evaluationOfARunInUse() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml").status == 0)
    let lock = try RunDirectory(locking: "\(workspace.path)/runs/run")
    #expect(try workspace.run("eval", "run.yaml") == inUse)
    withExtendedLifetime(lock) {}
  }

  @Test func runDirectoryThatCannotBeCreated() throws {
    let workspace = try Workspace()
    try workspace.write("runs", "a file")
    #expect(
      try workspace.run("train", "run.yaml")
        == .refusal(73, "runs/run: cannot be created: Not a directory"))
  }

  @Test func evaluationFolderThatCannotBeCreated() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("train", "run.yaml").status == 0)
    try workspace.write("runs/run/evaluation", "a file")
    #expect(
      try workspace.run("eval", "run.yaml")
        == .refusal(73, "runs/run/evaluation: cannot be created: File exists"))
  }

  static let lostOutputs = [
    (">/dev/full", "standard output: cannot be written: No space left on device"),
    (">&-", "standard output: cannot be written: Bad file descriptor"),
  ]

  @Test(arguments: lostOutputs)
  func lostResult(_ redirection: String, _ message: String) throws {
    let workspace = try Workspace()
    let result = try workspace.run(
      ["eval", "run.yaml", "method=none", "--quiet"], shell: "exec \"$@\" \(redirection)")
    #expect(result == .refusal(74, message))
  }

  @Test func closedPipeIsALostResult() throws {
    // The reader has gone before the result comes.
    let result = try Workspace().run(
      ["train", "run.yaml", "--dry-run"],
      shell:
        "mkfifo pipe; { sleep 0.2; \"$@\" 2>errors; echo $? >status; } >pipe & : <pipe; wait; cat errors >&2; exit $(cat status)"
    )
    #expect(result == .refusal(74, "standard output: cannot be written: Broken pipe"))
  }

  @Test func closedStandardErrorStopsNothing() throws {
    let workspace = try Workspace()
    let result = try workspace.run(["train", "run.yaml"], shell: "exec \"$@\" 2>&-")
    #expect(result == CommandResult(status: 0, output: "runs/run/final\n", errors: ""))
  }

  @Test(arguments: ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
  func wordsForClosedStreamsReachNoFile(_ redirection: String) throws {
    // The first files that a process opens get the numbers of its closed streams.
    let workspace = try Workspace()
    _ = try workspace.run(["train", "run.yaml"], shell: "exec \"$@\" \(redirection)")
    #expect(try workspace.objects("runs/run/metrics.jsonl").count == 3)
    let log = try workspace.text("runs/run/train.log").split(separator: "\n")
    #expect(log.count { $0.hasPrefix("done: ") } == 1 && !log.contains("runs/run/final"))
  }

  @Test func errorIsInColourOnlyOnATerminal() throws {
    // `script` runs the command on a terminal of its own.
    func onTerminal(_ environment: [String: String]) throws -> String {
      try Workspace().run(
        ["train", "nowhere.yaml"], environment: environment,
        shell: "script -qec true /dev/null 2>/dev/null || { echo none; exit; }; "
          + "exec script -qec \"$1 $2 $3\" /dev/null"
      ).output
    }
    let coloured = try onTerminal(["TERM": "xterm"])
    // `script` comes with util-linux. Without it, or without pseudo-terminals, no terminal can be tested.
    guard coloured != "none\n" else {
      return print("skipped: 'script' is missing or finds no pseudo-terminal")
    }
    #expect(coloured.contains("\u{1B}[1;31merror:\u{1B}[0m nowhere.yaml: no such file"))
    #expect(try onTerminal(["TERM": "xterm", "NO_COLOR": "1"]) == "error: nowhere.yaml: no such file\r\n")
  }
}
