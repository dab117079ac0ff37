import ArgumentParser
import Files
import FoundationEssentials
import GSM8K
import Gemma
import KernelCases
import Tensors

/// `gemmabench measure`: one measurement in a process of its own. Prints JSON objects, one a line.
struct MeasureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "measure", abstract: "Make one measurement in this process.", shouldDisplay: false)

  /// What can be measured.
  enum Subject: String, ExpressibleByArgument, CaseIterable {
    case decode, tokenize, operations, ceilings, large
    case trainStep = "train-step"
  }

  @Argument var subject: Subject
  @Option var model: String
  @Option var data: String
  @Option var threads: Int
  @Option var batch = 1
  @Option var length = 256
  @Option var steps = 1
  @Option var newTokens = 64
  @Option var repeats = 1
  @Flag var quick = false

  func run() throws {
    for object in try results() { print(JSONValue.object(object).text()) }
  }

  private func results() throws -> [JSONObject] {
    let kernels = CPUKernels(threads: threads)
    let timing = Timing(repeats: repeats, span: quick ? 0.02 : 0.2)
    switch subject {
    case .decode: return [try decode(kernels)]
    case .trainStep: return [try trainStep(kernels)]
    case .tokenize: return [try tokenize()]
    case .large: return [try large(kernels)]
    case .ceilings: return ceilings(kernels, threads: threads, timing)
    case .operations:
      let sizes = try ModelConfiguration(contentsOf: "\(model)/config.json")
      let pool = RandomPool(kernels)
      return KernelCases(CaseSizes(sizes)).timed.compactMap { $0.rate(kernels, pool, timing) }
    }
  }

  private func decode(_ kernels: any Kernels) throws -> JSONObject {
    let prompts = try EncodedText(model: model).prompts(data: data, count: batch)
    let opened = try GemmaModel(contentsOf: model, precision: .bfloat16)
    let decoder = GreedyDecoder(opened, kernels, maxNewTokens: newTokens, stopIds: [])
    _ = try GreedyDecoder(opened, kernels, maxNewTokens: 2, stopIds: []).generate(prompts)
    var tokens = 0
    let time = try seconds { tokens = try decoder.generate(prompts).reduce(0) { $0 + $1.tokens.count } }
    return ["tokens_per_second": .double(Double(tokens) / time)]
  }

  private func trainStep(_ kernels: any Kernels) throws -> JSONObject {
    let batch = try EncodedText(model: model).batch(data: data, size: batch, length: length)
    let opened = try GemmaModel(contentsOf: model, precision: .bfloat16)
    let training = TrainingStep(study: opened, .adapters, kernels)
    let times = (0...steps).map { _ in seconds { _ = training.take([batch], checkpointing: true) } }
    let rates = times.map { Double(batch.tokenCount) / $0 }
    return ["tokens_per_second": steadyRate(rates).map { .double($0) } ?? .null]
  }

  private func tokenize() throws -> JSONObject {
    let text = try EncodedText(model: model)
    let problems = try loadProblems(folder: data, split: "train", variant: .main)
    var count = 0
    let time = seconds {
      for problem in problems {
        count += text.tokenizer.encode(text.wording.prompt(for: problem.question)).count
        count += text.tokenizer.encode(text.wording.target(for: problem.answer)).count
      }
    }
    return [
      "seconds": .double(time), "tokens_per_second": .double(Double(count) / time),
      "examples": .int(problems.count),
    ]
  }

  /// SHA-256 of the weights' files, in GB/s.
  private func hashRate() throws -> Double {
    let names = try FileManager.default.contentsOfDirectory(atPath: model)
    let files = names.filter { $0.hasSuffix(".safetensors") }.map { "\(model)/\($0)" }
    let byteCount = try files.reduce(0) { try $0 + fileByteCount($1) }
    let time = try seconds {
      for file in files { _ = try SHA256.text(ofFile: file) }
    }
    return Double(byteCount) / time / 1e9
  }

  private func large(_ kernels: any Kernels) throws -> JSONObject {
    let text = try EncodedText(model: model)
    let batch = try text.batch(data: data, size: 2, length: 256)
    let prompt = try text.prompts(data: data, count: 1)
    var opened: GemmaModel?
    let openTime = try seconds { opened = try GemmaModel(contentsOf: model, precision: .bfloat16) }
    guard let opened else { return [:] }
    let training = TrainingStep(study: opened, .adapters, kernels)
    let stepTime = seconds { _ = training.take([batch], checkpointing: true) }
    let decoder = GreedyDecoder(opened, kernels, maxNewTokens: 10, stopIds: [])
    let decodeTime = try seconds { _ = try decoder.generate(prompt) }
    return [
      "hash_rate": .double(try hashRate()), "open_seconds": .double(openTime),
      "step_seconds": .double(stepTime),
      "decode_seconds": .double(decodeTime),
    ]
  }
}
