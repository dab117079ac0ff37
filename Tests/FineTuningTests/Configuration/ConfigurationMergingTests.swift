import Testing
import Gemma
import FineTuning
import YAML

struct ConfigurationMergingTests {
  @Test func fileOverridesWhatItExtendsAndTheCommandLineOverridesBoth() throws {
    let files = [
      "shared/common.yaml": "train: {epochs: 2, max_length: 64, max_steps: 9}\nlora: {rank: 4}\n",
      "runs/lora.yaml": "extends: ../shared/common.yaml\ntrain: {epochs: 3, max_length: 128}\n",
    ]
    let found = try withConfigurationFolder(files) { folder in
      try RunConfiguration.load(path: "\(folder)/runs/lora.yaml", overrides: ["train.epochs=5"])
    }
    #expect(found.train.epochs == 5)
    #expect(found.train.maxLength == 128)
    #expect(found.train.maxSteps == 9)
    #expect(found.lora.rank == 4)
    #expect(found.train.perDeviceBatchSize == RunConfiguration.TrainSection().perDeviceBatchSize)
    #expect(found.run.name == "lora")
  }

  @Test func listsAreReplacedWhole() throws {
    let files = [
      "a.yaml": "lora: {targets: [q_proj, k_proj]}\n",
      "b.yaml": "extends: a.yaml\nlora: {targets: [v_proj]}\n",
    ]
    let found = try withConfigurationFolder(files) { try RunConfiguration.load(path: "\($0)/b.yaml") }
    #expect(found.lora.targets == [.value])
  }

  @Test func nullReplacesAValue() throws {
    #expect(try configuration("evaluation: {limit: 7}", "evaluation.limit=null").evaluation.limit == nil)
    #expect(try configuration("evaluation: {limit: 7}", "evaluation.limit=").evaluation.limit == nil)
  }

  @Test func overrideIsSplitAtTheFirstEqualsSign() throws {
    let found = try configuration("method: lora", "evaluation.instruction=a=b")
    #expect(found.evaluation.instruction == "a=b")
  }

  @Test func combiningCharacterDoesNotHideTheEqualsSign() throws {
    let found = try configuration("method: lora", "evaluation.instruction=\u{301}a")
    #expect(found.evaluation.instruction == "\u{301}a")
  }

  @Test func laterOverrideWins() throws {
    #expect(try configuration("method: lora", "run.seed=1", "run.seed=2").run.seed == 2)
  }

  @Test(arguments: ["train.epochs", "=3", "train..epochs=3", ".=3", ""])
  func argumentThatIsNoOverrideIsRejected(argument: String) {
    #expect(
      configurationFaults("method: lora", argument) == [
        "command line: '\(argument)': expected key.path=value"
      ])
  }

  @Test func overrideThatIsNotYAMLIsRejected() {
    #expect(
      configurationFaults("method: lora", "lora.targets=[q_proj") == [
        "command line: lora.targets: not YAML: did not find expected ',' or ']'"
      ])
  }

  @Test func extendsOnTheCommandLineIsRejected() {
    #expect(
      configurationFaults("method: lora", "extends=a.yaml") == ["command line: extends: is for files only"])
  }

  @Test func extendsThatIsNotAPathIsRejected() {
    #expect(
      configurationFaults("extends: [a.yaml]") == [
        "configs/a.yaml:1:10: extends: expected a path, got a list"
      ])
  }

  @Test func loopOfFilesIsRejected() throws {
    let files = ["a.yaml": "extends: b.yaml\n", "b.yaml": "run: {}\nextends: ./a.yaml\n"]
    try withConfigurationFolder(files) { folder in
      #expect(
        faultMessages { _ = try RunConfiguration.load(path: "\(folder)/a.yaml") } == [
          "\(folder)/b.yaml:2:10: extends: a file that extends itself: "
            + "\(folder)/a.yaml -> \(folder)/b.yaml -> \(folder)/./a.yaml"
        ])
    }
  }

  @Test func longChainOfFilesIsRejected() throws {
    let files = Dictionary(
      uniqueKeysWithValues: (0..<9).map { ("\($0).yaml", "extends: \($0 + 1).yaml\n") })
    try withConfigurationFolder(files) { folder in
      #expect(
        faultMessages { _ = try RunConfiguration.load(path: "\(folder)/0.yaml") }
          == ["\(folder)/7.yaml:1:10: extends: a chain of more than 8 files"])
    }
  }

  @Test func missingExtendedFileIsNamedWithItsPlace() throws {
    try withConfigurationFolder(["a.yaml": "extends: b.yaml\n"]) { folder in
      let found = faultMessages { _ = try RunConfiguration.load(path: "\(folder)/a.yaml") }
      #expect(found.count == 1)
      #expect(found.first?.hasPrefix("\(folder)/a.yaml:1:10: extends: \(folder)/b.yaml: ") == true)
    }
  }

  @Test func problemInAnExtendedFileIsNamedThere() throws {
    let files = ["a.yaml": "extends: b.yaml\nlora: {rank: x}\n", "b.yaml": "train: {epochs: y}\n"]
    try withConfigurationFolder(files) { folder in
      #expect(
        faultMessages { _ = try RunConfiguration.load(path: "\(folder)/a.yaml") } == [
          "\(folder)/a.yaml:2:14: lora.rank: expected an integer, got 'x'",
          "\(folder)/b.yaml:1:17: train.epochs: expected a number, got 'y'",
        ])
    }
  }
}

struct InterpolationTests {
  @Test func directoryFollowsTheName() throws {
    #expect(try configuration("method: lora").run.directory == "runs/a")
    #expect(try configuration("run: {name: b}").run.directory == "runs/b")
    #expect(try configuration("method: lora", "run.name=c").run.directory == "runs/c")
  }

  @Test func wholeValueKeepsItsType() throws {
    let found = try configuration("train: {epochs: 3, max_steps: \"${train.epochs}\"}")
    #expect(found.train.maxSteps == 3)
    let list = try configuration("evaluation: {stop: [a, b]}", "evaluation.stop=${lora.targets}")
    #expect(list.evaluation.stop == LinearModule.allCases.map(\.rawValue))
  }

  @Test func referenceWithinATextIsPutInAsText() throws {
    let found = try configuration("run:\n  seed: 7\n  directory: out/${method}-${run.seed}\n")
    #expect(found.run.directory == "out/lora-7")
  }

  @Test func numberPutTogetherFromTextStaysAString() {
    #expect(
      configurationFaults("train:\n  max_steps: 1${run.seed}\n")
        == ["configs/a.yaml:2:14: train.max_steps: expected an integer, got the string '142'"])
  }

  @Test(arguments: [
    (#"\${a}"#, "${a}"), (#"\\${run.seed}"#, #"\42"#), (#"\\\${a}"#, #"\${a}"#), (#"a\b$c"#, #"a\b$c"#),
    (#"\${a}${run.seed}"#, "${a}42"),
  ])
  func backslashesBeforeAReferenceEscape(written: String, meant: String) throws {
    #expect(try configuration("evaluation:\n  instruction: \(written)\n").evaluation.instruction == meant)
  }

  @Test func cycleIsRejected() {
    #expect(
      configurationFaults("train:\n  epochs: ${train.max_steps}\n  max_steps: ${train.epochs}\n") == [
        "configs/a.yaml:2:11: train.epochs: refers back to itself: "
          + "train.epochs -> train.max_steps -> train.epochs"
      ])
  }

  @Test func mapIsRejected() {
    #expect(
      configurationFaults("lora:\n  rank: ${lora}\n")
        == ["configs/a.yaml:2:9: lora.rank: ${lora} is a map; expected a text, a number or a list"])
  }

  @Test func listInAListIsRejected() {
    #expect(
      configurationFaults("evaluation: {stop: [\"${lora.targets}\"]}") == [
        "configs/a.yaml:1:21: evaluation.stop[0]: ${lora.targets} is a list; "
          + "expected a text or a number in a list"
      ])
  }

  @Test func unknownKeyIsRejected() {
    #expect(
      configurationFaults("train:\n  max_steps: ${train.epoch}\n") == [
        "configs/a.yaml:2:14: train.max_steps: '${train.epoch}' names an unknown key; "
          + "did you mean 'train.epochs'?"
      ])
    #expect(
      configurationFaults("run:\n  directory: ${oc.env:HOME}\n") == [
        "configs/a.yaml:2:14: run.directory: '${oc.env:HOME}' names an unknown key; "
          + "expected a key such as ${run.name}"
      ])
  }

  @Test func openReferenceIsRejected() {
    #expect(
      configurationFaults("run:\n  name: ${a\n") == ["configs/a.yaml:2:9: run.name: a '${' without its '}'"])
  }

  @Test func listWithinATextIsRejected() {
    #expect(
      configurationFaults("run:\n  directory: a-${lora.targets}\n") == [
        "configs/a.yaml:2:14: run.directory: ${lora.targets} is a list; "
          + "expected a text or a number within a text"
      ])
  }

  @Test func nullWithinATextIsRejected() {
    #expect(
      configurationFaults("run:\n  directory: a-${threads}\n") == [
        "configs/a.yaml:2:14: run.directory: ${threads} is null; expected a text or a number within a text"
      ])
  }

  @Test func longChainOfReferencesIsRejected() throws {
    let chain = (0..<4000).map { "k\($0): ${k\($0 + 1)}\n" }.joined() + "k4000: 1\n"
    #expect(
      try interpolationFaults(chain).first == "a.yaml:33:6: k32: references go on for more than 32 keys")
  }

  @Test func doublingReferencesAreRejected() throws {
    let bomb = "k0: aaaaaaaaaa\n" + (1..<30).map { "k\($0): ${k\($0 - 1)}${k\($0 - 1)}\n" }.joined()
    #expect(
      try interpolationFaults(bomb) == [
        "a.yaml:14:6: k13: references make a text of more than 65536 bytes"
      ])
  }

  @Test func tooMuchTextFromReferencesIsRejected() throws {
    let bomb =
      "k: " + String(repeating: "a", count: 60_000) + "\n" + (1..<30).map { "k\($0): x${k}\n" }.joined()
    #expect(
      try interpolationFaults(bomb).first
        == "a.yaml:19:6: k18: references make more than 1048576 bytes of text")
  }

  @Test func manyReferencesToALongListAreRejectedOnce() throws {
    let list = "k: [" + String(repeating: "a,", count: 5000) + "]\n"
    let bomb = list + (0..<2000).map { "k\($0): ${k}\n" }.joined()
    #expect(
      try interpolationFaults(bomb)
        == ["a.yaml:1:9845: k[4920]: references expand to more than 200000 values"])
  }

  /// The messages of a map with any keys, called a.yaml.
  private func interpolationFaults(_ yaml: String) throws -> [String] {
    let document = try YAMLParser.parse(Array(yaml.utf8)) { .file("a.yaml", line: $0, column: $1) }
    var problems = ConfigurationProblems(mainFile: "a.yaml")
    _ = Interpolator.resolve(try #require(document.root), known: [], &problems)
    return problems.faults(files: ["a.yaml"]).faults.map(\.message)
  }
}
