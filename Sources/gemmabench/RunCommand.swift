import ArgumentParser
import Files
import FoundationEssentials
import Glibc

/// `gemmabench run`: measures, and writes the tables.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Measure, and write results.json and results.md.",
    discussion: "Every measurement runs in a process of its own. Run it on an otherwise idle machine.")

  /// What can be measured.
  enum Benchmark: String, ExpressibleByArgument, CaseIterable {
    case training, decoding, evaluation, startup, tokenizer, growth, operations, large
  }

  @Option(help: "The base model's folder.", completion: .directory)
  var model = "models/gemma-3-270m"

  @Option(help: "The folder with GSM8K's train.jsonl and test.jsonl.", completion: .directory)
  var data = "data/gsm8k"

  @Option(help: "The folder with the tiny model and its problems.", completion: .directory)
  var tiny = "configs/tiny"

  @Option(name: .customLong("only"), help: "Measure this alone; may be given several times. (default: all)")
  var only: [Benchmark] = []

  @Option(help: "How often each measurement is made.")
  var repeats = 3

  @Flag(help: "One short repeat of everything: whether it runs, not how fast.")
  var quick = false

  @Option(help: "Worker threads of both programs. (default: every core)")
  var threads: Int?

  @Option(help: "A Python with transformers and PEFT: measures the peer too, both programs in turn.")
  var peer: String?

  @Option(help: "The folder of results.json and results.md.", completion: .directory)
  var output = "bench"

  @Option(help: "The gemmatune binary. (default: the one beside this program)", completion: .file())
  var gemmatune: String?

  func validate() throws {
    guard repeats >= 1 else { throw ValidationError("--repeats: got \(repeats); expected 1 or more") }
    guard threads ?? 1 >= 1 else {
      throw ValidationError("--threads: got \(threads ?? 0); expected 1 or more")
    }
  }

  func run() throws {
    // The child gets the signal and fails. This process then tidies up and ends.
    signal(SIGINT, SIG_IGN)
    let scratch = FileManager.default.temporaryDirectory.path + "/gemmabench-\(getpid())"
    try makeDirectory(scratch)
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    let sitting = try sitting(scratch)
    var report = BenchmarkReport(facts: try facts(sitting))
    for benchmark in only.isEmpty ? Benchmark.allCases : only {
      for table in try sitting.tidily({ try sitting.tables(benchmark) }) { report.add(table) }
      // Written after each benchmark, so that results are kept when a later one fails.
      try report.write(to: output)
    }
    print(report.markdown)
    note("written: \(output)/results.json, \(output)/results.md")
  }

  private func sitting(_ scratch: String) throws -> Sitting {
    let folder = ownFolder()
    let sitting = Sitting(
      model: model, data: data, tiny: tiny, gemmatune: gemmatune ?? "\(folder)/gemmatune",
      gemmabench: "\(folder)/gemmabench",
      peer: peer.map { Peer(python: $0, script: "scripts/bench_peer.py") },
      threads: threads ?? ProcessInfo.processInfo.activeProcessorCount, repeats: quick ? 1 : repeats,
      extent: quick ? .quick : .full, scratch: scratch)
    try sitting.requireInputs()
    return sitting
  }

  private func facts(_ sitting: Sitting) throws -> [BenchmarkReport.Fact] {
    var facts = machineFacts(threads: sitting.threads, scratch: sitting.scratch)
    if let peer = sitting.peer {
      facts.append(.init("peer", try peer.versions(scratch: sitting.scratch)))
    }
    let name = URL(fileURLWithPath: model).lastPathComponent
    return facts + [
      .init("model", name), .init("threads", "\(sitting.threads)"),
      .init("repeats", "\(sitting.repeats), \(sitting.extent.rawValue); median and range of them"),
    ]
  }
}

/// The folder of this program.
func ownFolder() -> String {
  let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
  return URL(fileURLWithPath: link ?? CommandLine.arguments[0]).deletingLastPathComponent().path
}

extension Sitting {
  /// The results of one benchmark.
  /// - Throws: `Fault`.
  func tables(_ benchmark: RunCommand.Benchmark) throws -> [BenchmarkTable] {
    switch benchmark {
    case .training: [try trainingTable()]
    case .decoding: [try decodingTable()]
    case .evaluation: [try evaluationTable()]
    case .startup: [try startUpTable()]
    case .tokenizer: [try tokenizerTable()]
    case .growth: try growthTables()
    case .operations: try operationTables()
    case .large: [try largeTable()]
    }
  }

  /// Checks that model, data and programs exist.
  /// - Throws: `Fault` .missing that says how to get what is missing.
  func requireInputs() throws {
    let wanted: [(file: String, hint: String)] = [
      (
        "\(model)/config.json",
        "scripts/fetch_gemma.sh google/gemma-3-270m fetches a model; MODEL=... names another"
      ),
      ("\(data)/train.jsonl", "scripts/fetch_gsm8k.sh fetches the data; DATA=... names another folder"),
      ("\(data)/test.jsonl", "scripts/fetch_gsm8k.sh fetches the data; DATA=... names another folder"),
      (gemmatune, "make build builds it"),
    ]
    for (file, hint) in wanted where !FileManager.default.fileExists(atPath: file) {
      throw Fault(.missing, file: file, "no such file", hint: hint)
    }
  }
}
