import Files
import Foundation
import Testing
import FineTuning

/// A run's folder must not decide what this machine opens and runs.
struct SavedConfigurationTests {
  /// A workspace with a base run in `runs/base`. Its config.yaml begins with `first` and has this `cuda`.
  private func workspace(first: String = "", cuda: String = "{}") throws -> Workspace {
    let workspace = try Workspace()
    try workspace.write(
      "runs/base/config.yaml",
      first + """
        run: {directory: runs/base}
        model: {path: model, initialize: random}
        method: none
        data: {path: data}
        evaluation: {limit: 1, max_new_tokens: 2}
        device: cpu
        cuda: \(cuda)

        """)
    try workspace.write("runs/base/evaluation/summary.json", "{}")
    return workspace
  }

  private static func message(_ place: String, _ key: String, _ got: String) -> String {
    "runs/base/config.yaml:\(place): cuda.\(key): not read from a run's saved configuration, got \(got); "
      + "expected none"
  }

  private static func hint(_ key: String) -> String {
    "give cuda.\(key) on the command line, if you trust what it names"
  }

  @Test(
    arguments: [
      ("{libraries: libs}", "7:19", "libraries", "'libs'"),
      ("{\"kernel_cache\": 'libs'}", "7:24", "kernel_cache", "the string 'libs'"),
      ("{libraries: '${data.path}'}", "7:19", "libraries", "the string '${data.path}'"),
    ],
    [["eval", "runs/base"], ["eval", "runs/base/config.yaml"], ["report", "runs/base", "--output", "r"]])
  func savedLibrariesAreRefused(
    saved: (cuda: String, place: String, key: String, got: String), command: [String]
  ) throws {
    #expect(
      try workspace(cuda: saved.cuda).run(command)
        == .refusal(78, Self.message(saved.place, saved.key, saved.got), hint: Self.hint(saved.key)))
  }

  @Test(arguments: [
    ["eval", "runs/base"], ["eval", "runs/base/config.yaml"], ["report", "runs/base", "--output", "r"],
    ["train", "runs/base/config.yaml"],
  ])
  func savedConfigurationExtendsNothing(command: [String]) throws {
    let workspace = try workspace(first: "extends: ../../libs.yaml\n")
    try workspace.write("libs.yaml", "cuda: {libraries: libs}\n")
    #expect(
      try workspace.run(command)
        == .refusal(
          78,
          "runs/base/config.yaml:1:1: extends: a run's saved configuration reads no other file; "
            + "expected all keys in it"))
  }

  @Test func savedLibrariesAreRefusedInAFileThatIsExtended() throws {
    let workspace = try workspace(cuda: "{libraries: libs}")
    try workspace.write("mine.yaml", "extends: runs/base/config.yaml\n")
    #expect(
      try workspace.run("eval", "mine.yaml")
        == .refusal(78, Self.message("7:19", "libraries", "'libs'"), hint: Self.hint("libraries")))
  }

  @Test func savedLibrariesAreRefusedThroughALink() throws {
    let workspace = try workspace(cuda: "{libraries: libs}")
    try FileManager.default.createSymbolicLink(
      atPath: "\(workspace.path)/mine.yaml", withDestinationPath: "runs/base/config.yaml")
    let result = try workspace.run("eval", "mine.yaml")
    #expect(result.status == 78 && result.errors.hasPrefix("error: mine.yaml:7:19: cuda.libraries: not read"))
  }

  @Test(arguments: ["{libraries: null, kernel_cache: ~}", "{libraries: , memory_limit_gb: 1}"])
  func savedNullsAreRead(cuda: String) throws {
    #expect(try workspace(cuda: cuda).run("eval", "runs/base", "--quiet").status == 0)
  }

  @Test func librariesOfTheCommandLineAreLookedAt() throws {
    let result = try workspace().run("eval", "runs/base", "device=cuda", "cuda.libraries=nowhere")
    #expect(result == .refusal(66, "nowhere: no such folder; cuda.libraries names it"))
  }

  @Test func librariesOfAConfigurationThatIsNamedAreLookedAt() throws {
    let workspace = try Workspace()
    try workspace.write(
      "mine.yaml",
      try workspace.text("run.yaml").replacing("device: cpu", with: "device: cuda")
        + "cuda: {libraries: nowhere}\n")
    #expect(
      try workspace.run("train", "mine.yaml")
        == .refusal(66, "nowhere: no such folder; cuda.libraries names it"))
  }

  @Test(arguments: ["full", "none"])
  func runsDoNotSaveLibraries(method: String) throws {
    let workspace = try Workspace()
    try workspace.write(
      "run.yaml", try workspace.text("run.yaml") + "cuda: {libraries: libs, kernel_cache: libs}\n")
    let command = method == "none" ? "eval" : "train"
    #expect(try workspace.run([command, "run.yaml", "method=\(method)", "--quiet"]).status == 0)
    let saved = try workspace.text("runs/run/config.yaml")
    #expect(saved.contains("\ncuda:\n  memory_limit_gb: null\n"))
    #expect(!saved.contains("libs"))
    #expect(try workspace.run("eval", "runs/run", "--quiet").status == 0)
  }

  @Test func dryRunPrintsLibraries() throws {
    let workspace = try Workspace()
    try workspace.write("run.yaml", try workspace.text("run.yaml") + "cuda: {libraries: libs}\n")
    let result = try workspace.run("train", "run.yaml", "--dry-run")
    #expect(result.status == 0 && result.output.contains("\n  libraries: libs\n  kernel_cache: null\n"))
  }

  @Test func runFolderIsTheDirectoryOfItsRun() throws {
    let workspace = try workspace()
    try FileManager.default.moveItem(
      atPath: "\(workspace.path)/runs/base", toPath: "\(workspace.path)/moved")
    #expect(try workspace.run("eval", "moved", "--quiet").status == 0)
    #expect(workspace.contents.contains("moved/evaluation/predictions.jsonl"))
    #expect(!workspace.contents.contains("runs/base"))
  }

  @Test(arguments: ["eval", "train"])
  func savedConfigurationOfAnotherFolderIsRefused(command: String) throws {
    let workspace = try workspace()
    try FileManager.default.moveItem(
      atPath: "\(workspace.path)/runs/base", toPath: "\(workspace.path)/moved")
    #expect(
      try workspace.run(command, "moved/config.yaml")
        == .refusal(
          78,
          "moved/config.yaml:1:18: run.directory: another folder than the one of this saved configuration, "
            + "got 'runs/base'; expected 'moved'",
          hint: "name the run's folder instead of its file, or give run.directory on the command line"))
    #expect(!workspace.contents.contains("runs/base"))
  }

  @Test func directoryOfTheCommandLineWins() throws {
    let workspace = try workspace()
    let result = try workspace.run("eval", "runs/base/config.yaml", "run.directory=other", "--quiet")
    #expect(result.status == 0 && workspace.contents.contains("other/evaluation/predictions.jsonl"))
  }

  @Test func configurationBesideNoRunIsNotASavedOne() throws {
    let workspace = try Workspace()
    try workspace.write("a/config.yaml", "extends: ../run.yaml\nrun: {directory: elsewhere}\n")
    #expect(try workspace.run("train", "a/config.yaml", "--quiet").status == 0)
    #expect(workspace.contents.contains("elsewhere/final"))
  }
}
