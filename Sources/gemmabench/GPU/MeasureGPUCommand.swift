import ArgumentParser
import CUDARuntime
import Files
import Gemma
import Tensors

/// `gemmabench measure-gpu`: one measurement on the GPU in a process of its own. Prints lines of JSON.
struct MeasureGPUCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "measure-gpu", abstract: "Make one measurement on the GPU in this process.",
    shouldDisplay: false)

  /// What can be measured.
  enum Subject: String, ExpressibleByArgument, CaseIterable {
    case ceilings, operations, agreement, train, decode
    case firstStep = "first-step"
  }

  @Argument var subject: Subject
  @Option var workload: String
  @Option var model: String?
  @Option var libraries: String?
  @Option var cache: String?
  @Option var method = "lora"
  @Option var rows = 1
  @Flag var merged = false
  @Flag var checkpointing = false
  @Flag var stochastic = false
  @Flag var quick = false

  func run() throws {
    for object in try results() { print(JSONValue.object(object).text()) }
  }

  private func results() throws -> [JSONObject] {
    let work = try Workload(contentsOf: workload)
    let sizes = try ModelConfiguration(json: work.configuration, file: workload)
    let kernels = try CUDAKernels(
      libraries: CUDALibraries(places: .standard(folder: libraries)),
      cacheFolder: cache ?? KernelModules.standardCacheFolder, memoryLimit: nil)
    let device = DeviceMeasurements(
      kernels: kernels, workload: work, sizes: sizes, folder: model, isQuick: quick)
    switch subject {
    case .ceilings: return try device.ceilings()
    case .operations: return try device.operations()
    case .agreement: return try device.agreement()
    case .train:
      let trained: TrainedParameters = method == "full" ? .all : .adapters
      let update: AdamW.LowPrecisionUpdate =
        stochastic ? .stochastic(RandomKey(seed: 42, stream: 1)) : .master
      return [
        try device.training(trained, merged: merged, checkpointing: checkpointing, update: update)
      ]
    case .decode: return [try device.decoding(rows: rows)]
    case .firstStep: return [try device.firstStep()]
    }
  }
}
