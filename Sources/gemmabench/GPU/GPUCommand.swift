import ArgumentParser
import CUDARuntime
import Files
import FoundationEssentials
import Gemma
import Glibc
import Tensors

/// `gemmabench gpu`: measures on the GPU, and writes the tables.
struct GPUCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gpu", abstract: "Measure on the GPU: kernels, training, decoding, agreement with the CPU.",
    discussion: """
      Needs no model and no data: weights and tokens are random. Exit status 69 where no GPU can be used; with --peer its \
      part is measured all the same.
      """)

  /// What can be measured.
  enum Benchmark: String, ExpressibleByArgument, CaseIterable {
    case training, decoding, agreement, startup, operations
  }

  @Option(help: "The model whose shape is taken: gemma-2b.")
  var like = ModelShape.gemma2B

  @Option(help: "A model folder to take shape and weights from, in place of --like.", completion: .directory)
  var model: String?

  @Option(help: "A folder with libcuda, NVRTC or cuBLASLt, before all others.", completion: .directory)
  var libraries: String?

  @Option(name: .customLong("only"), help: "Measure this alone; may be given several times. (default: all)")
  var only: [Benchmark] = []

  @Flag(help: "Small shapes and one short repeat: whether it runs, not how fast.")
  var quick = false

  @Option(help: "A Python with PyTorch, transformers and PEFT: measures them too, both in turn.")
  var peer: String?

  @Option(help: "The peer's script.", completion: .file())
  var peerScript = "scripts/gpu_bench_peer.py"

  @Option(help: "Where the peer computes: cuda or cpu.")
  var peerDevice = "cuda"

  @Option(help: "Seconds after which nothing more is begun, and what runs is ended.")
  var seconds = 560.0

  @Option(help: "The folder of results.json and results.md.", completion: .directory)
  var output = "bench/gpu"

  func run() throws {
    signal(SIGINT, SIG_IGN)
    let (summary, fault) = device()
    if let fault, peer == nil { throw fault }
    let scratch = FileManager.default.temporaryDirectory.path + "/gemmabench-\(getpid())"
    try makeDirectory(scratch)
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    let workload = try workload()
    let sizes = try ModelConfiguration(json: workload.configuration, file: model ?? like.rawValue)
    try writeAtomically(workload.json.text(), to: "\(scratch)/workload.json")
    let sitting = sitting(scratch, obstacle: fault.map { _ in "gemmatune finds no GPU here" })
    var report = BenchmarkReport(facts: facts(sitting, summary ?? fault?.message))
    try measure(sitting, workload, sizes, device: summary ?? "", into: &report)
    print(report.markdown)
    note("written: \(output)/results.json, \(output)/results.md")
    if let fault { throw fault }
  }

  /// The GPU's summary, or the fault that says why there is none.
  private func device() -> (summary: String?, fault: Fault?) {
    do {
      let libraries = CUDALibraries(places: .standard(folder: libraries))
      return (try CUDADevice(libraries).summary, nil)
    } catch let fault as Fault {
      return (nil, fault)
    } catch {
      return (nil, Fault(.unavailable, "\(error)"))
    }
  }

  /// Makes all measurements, the most wanted first, and writes the report after each, in reverse order.
  private func measure(
    _ sitting: GPUSitting, _ workload: Workload, _ sizes: ModelConfiguration, device: String,
    into report: inout BenchmarkReport
  ) throws {
    let (best, ceilings) = sitting.ceilings(device: device)
    let chosen = only.isEmpty ? Benchmark.allCases : only
    var tables: [Benchmark: BenchmarkTable] = [:]
    for benchmark in Benchmark.allCases where chosen.contains(benchmark) {
      tables[benchmark] =
        switch benchmark {
        case .training: sitting.trainingTable(sizes, ceilings)
        case .decoding: sitting.decodingTable(workload, sizes, ceilings)
        case .agreement: sitting.agreementTable()
        case .startup: sitting.startUpTable()
        case .operations: sitting.operationTable(ceilings)
        }
      // The goals for the study's sizes say nothing about other sizes.
      if quick, benchmark != .agreement { tables[benchmark]?.forgetGoals() }
      report.tables = [best] + Benchmark.allCases.reversed().compactMap { tables[$0] }
      try report.write(to: output)
    }
  }

  private func workload() throws -> Workload {
    var configuration = like.configuration
    if let model {
      let file = "\(model)/config.json"
      configuration = try JSONValue(parsing: readFile(file, limit: 1 << 20), file: file)
    }
    return quick ? .quick(configuration) : .study(configuration)
  }

  private func sitting(_ scratch: String, obstacle: String?) -> GPUSitting {
    let shared =
      (model.map { ["--model", $0] } ?? []) + (libraries.map { ["--libraries", $0] } ?? [])
      + (quick ? ["--quick"] : [])
    return GPUSitting(
      gemmabench: "\(ownFolder())/gemmabench", obstacle: obstacle,
      peer: peer.map { Peer(python: $0, script: peerScript) }, peerDevice: peerDevice,
      workload: "\(scratch)/workload.json",
      ownArguments: shared, scratch: scratch, deadline: .now + .seconds(seconds))
  }

  private func facts(_ sitting: GPUSitting, _ summary: String?) -> [BenchmarkReport.Fact] {
    var facts = machineFacts(
      threads: ProcessInfo.processInfo.activeProcessorCount, scratch: sitting.scratch)
    facts.append(.init("GPU", summary ?? "none"))
    let found = CUDALibraries(places: .standard(folder: libraries)).lines
    facts.append(.init("CUDA libraries", found.joined(separator: "; ")))
    if let peer = sitting.peer {
      let versions = try? peer.measure(["versions"], scratch: sitting.scratch, limit: 60)
      let named = versions?.members.compactMap { member in
        member.value.stringValue.map { "\(member.key) \($0)" }
      }
      facts.append(.init("peer", named?.joined(separator: ", ") ?? "does not run"))
    }
    return facts + [
      .init("model", model ?? "\(like.rawValue), random weights"),
      .init("extent", quick ? "quick: whether it runs, not how fast" : "full"),
    ]
  }
}
