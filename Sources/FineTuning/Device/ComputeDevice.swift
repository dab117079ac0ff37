import CUDARuntime
import Files
import FoundationEssentials
import Tensors

/// The processor that a run computes on: the one that `device` asks for, if the machine has it.
package enum ComputeDevice {
  /// The CPU. `reason` says why no GPU computes, where one would have been used.
  case cpu(CPUKernels, reason: String?)
  /// A GPU, and the libraries to use it with.
  case cuda(CUDALibraries, CUDADevice)

  /// Finds the device without preparing it for computing. For a plan.
  /// - Throws: `Fault` .unavailable for `device: cuda` without a GPU that works, naming what was found and
  ///   what is missing; .missing when `cuda.libraries` names no folder.
  package static func found(_ run: RunConfiguration) throws -> ComputeDevice {
    try chosen(run, cpu: { .cpu($0, reason: $1) }) { .cuda($0, try CUDADevice($0)) }
  }

  /// Finds the device and prepares its kernels. Commands that compute call it once.
  /// - Throws: the faults of `found`, and `Fault` .failure where a kernel does not compile.
  package static func opened(_ run: RunConfiguration) throws -> (device: ComputeDevice, kernels: any Kernels)
  {
    try chosen(run, cpu: { (.cpu($0, reason: $1), $0) }) { libraries in
      let kernels = try CUDAKernels(
        libraries: libraries, cacheFolder: run.cuda.kernelCache ?? KernelModules.standardCacheFolder,
        memoryLimit: run.cuda.memoryLimit)
      return (.cuda(libraries, kernels.device), kernels)
    }
  }

  /// The value of `cuda` for a GPU, or of `cpu` with the reason why no GPU is used.
  private static func chosen<Choice>(
    _ run: RunConfiguration, cpu: (CPUKernels, String?) -> Choice, cuda: (CUDALibraries) throws -> Choice
  ) throws -> Choice {
    func host(_ reason: String?) throws -> Choice {
      let threads = run.threads ?? ProcessInfo.processInfo.activeProcessorCount
      try CPUKernels.prepareProcess(threads: threads)
      return cpu(CPUKernels(threads: threads), reason)
    }
    if run.device == .cpu { return try host(nil) }
    if let folder = run.cuda.libraries, !isDirectory(folder) {
      throw Fault(.missing, file: folder, "no such folder; cuda.libraries names it")
    }
    do {
      return try cuda(CUDALibraries(places: .standard(folder: run.cuda.libraries)))
    } catch let fault as Fault where run.device == .auto {
      return try host(fault.message.hasPrefix("cuda: ") ? String(fault.message.dropFirst(6)) : fault.message)
    }
  }

  /// What the log adds to the kernels' summary: why these kernels compute, and why no GPU does.
  package var notes: [String] {
    guard case .cpu(let kernels, let reason) = self else { return [] }
    return (reason.map { ["no GPU is used: \($0)"] } ?? []) + kernels.notes
  }

  /// Whether tensors are in a GPU's memory.
  var isGPU: Bool { if case .cuda = self { true } else { false } }

  /// The device and its libraries, as a plan shows them.
  package var text: String {
    let lines =
      switch self {
      case .cpu(let kernels, _): ["CPU: \(kernels.summary)"] + notes
      case .cuda(let libraries, let device): [device.summary] + libraries.lines
      }
    return "device      " + lines.joined(separator: "\n            ")
  }

  /// The memory budget of a run.
  /// - Throws: `Fault` .unavailable when the device does not report its memory.
  package func memory(_ run: RunConfiguration) throws -> MemoryRoom {
    let device: CUDADevice
    switch self {
    case .cpu(let kernels, _): return .machine(threads: kernels.threads)
    case .cuda(_, let found): device = found
    }
    let free: Int
    do {
      free = try device.memoryInfo().free
    } catch {
      throw error.fault
    }
    let (name, total) = (device.properties.name, device.properties.totalMemory)
    if let limit = run.cuda.memoryLimit, limit < free {
      return MemoryRoom(
        bytes: limit, ofDevice: total, name: "cuda.memory_limit_gb allows \(byteText(limit))")
    }
    return MemoryRoom(bytes: free, ofDevice: total, name: "\(name) has \(byteText(free)) free")
  }
}

extension RunConfiguration.CUDASection {
  /// `memoryLimitGB` in bytes.
  var memoryLimit: Int? { memoryLimitGB.map { Int(min($0 * 1e9, 1e18)) } }
}
