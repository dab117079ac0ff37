import CUDARuntime
import Files
import FoundationEssentials
import Tensors

/// The processor that a run computes on: what `device` asks for, as far as the machine has it.
package enum ComputeDevice {
  /// The CPU; `reason` says why it is no GPU, where one would have been taken.
  case cpu(CPUKernels, reason: String?)
  /// A GPU, and the libraries that it was found with.
  case cuda(CUDALibraries, CUDADevice)

  /// What there is, without making anything ready to compute: for a plan.
  /// - Throws: `Fault` .unavailable that names what was found and what is missing, for `device: cuda` without a GPU that
  ///   works; .missing when `cuda.libraries` names no folder.
  package static func found(_ run: RunConfiguration) throws -> ComputeDevice {
    try chosen(run) { .cuda($0, try CUDADevice($0)) }
  }

  /// What there is, with the kernels that compute on it: chosen once, by the commands that compute.
  /// - Throws: `Fault`, as `found`; .failure also where a kernel does not compile.
  package static func opened(_ run: RunConfiguration) throws -> (device: ComputeDevice, kernels: any Kernels)
  {
    var opened: CUDAKernels?
    let device = try chosen(run) { libraries in
      let kernels = try CUDAKernels(
        libraries: libraries, cacheFolder: run.cuda.kernelCache ?? KernelModules.standardCacheFolder,
        memoryLimit: run.cuda.memoryLimit)
      opened = kernels
      return .cuda(libraries, kernels.device)
    }
    if case .cpu(let kernels, _) = device { return (device, kernels) }
    guard let opened else { preconditionFailure("ComputeDevice: a GPU without kernels") }
    return (device, opened)
  }

  private static func chosen(
    _ run: RunConfiguration, open: (CUDALibraries) throws -> ComputeDevice
  ) throws -> ComputeDevice {
    func cpu(_ reason: String?) throws -> ComputeDevice {
      let threads = run.threads ?? ProcessInfo.processInfo.activeProcessorCount
      try CPUKernels.prepareProcess(threads: threads)
      return .cpu(CPUKernels(threads: threads), reason: reason)
    }
    if run.device == .cpu { return try cpu(nil) }
    if let folder = run.cuda.libraries, !isDirectory(folder) {
      throw Fault(.missing, file: folder, "no such folder; cuda.libraries names it")
    }
    do {
      return try open(CUDALibraries(places: .standard(folder: run.cuda.libraries)))
    } catch let fault as Fault where run.device == .auto {
      return try cpu(fault.message.hasPrefix("cuda: ") ? String(fault.message.dropFirst(6)) : fault.message)
    }
  }

  /// What the log says beside the kernels' summary: why these kernels compute, and why there is no GPU.
  package var notes: [String] {
    guard case .cpu(let kernels, let reason) = self else { return [] }
    return (reason.map { ["no GPU is used: \($0)"] } ?? []) + kernels.notes
  }

  /// Whether tensors are in a GPU's memory.
  var isGPU: Bool { if case .cuda = self { true } else { false } }

  /// For a plan: the device, and the libraries that were found with it.
  package var text: String {
    let lines =
      switch self {
      case .cpu(let kernels, _): ["CPU: \(kernels.summary)"] + notes
      case .cuda(let libraries, let device): [device.summary] + libraries.lines
      }
    return "device      " + lines.joined(separator: "\n            ")
  }

  /// The memory that a run may take.
  /// - Throws: `Fault` .unavailable when the device does not tell.
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
        bytes: limit, ofDevice: total, name: "cuda.memory_limit_gb allows \(MemoryPlan.shown(limit))")
    }
    return MemoryRoom(bytes: free, ofDevice: total, name: "\(name) has \(MemoryPlan.shown(free)) free")
  }
}

/// Memory that a run may take, where its tensors are.
package struct MemoryRoom: Equatable, Sendable {
  /// All memory of the device in bytes; nil for main memory.
  package let deviceTotal: Int?
  /// Bytes that no plan may exceed.
  package let bytes: Int
  /// What a plan may take where it has a choice: on the CPU 70 % of what is free now, since it does not know what else
  /// the machine will do; on a GPU 90 %, since a plan is not exact.
  package let comfortable: Int
  /// What a plan with merged passes may take: on the CPU 70 % of all memory, so that the order of a run's sums does not
  /// depend on what else the machine does.
  package let forMerging: Int
  /// The bound in words: "this machine has 24.00 GB".
  package let name: String

  /// Room on a device that has `total` bytes, of which `bytes` may be taken.
  package init(bytes: Int, ofDevice total: Int, name: String) {
    self.bytes = bytes
    self.name = name
    deviceTotal = total
    comfortable = bytes / 10 * 9
    forMerging = comfortable
  }

  /// Main memory of `bytes`, of which `available` are free.
  package init(bytes: Int, available: Int, name: String) {
    self.bytes = bytes
    self.name = name
    deviceTotal = nil
    comfortable = available / 10 * 7
    forMerging = bytes / 10 * 7
  }

  /// Where.
  var place: Place { deviceTotal == nil ? .host : .device }

  /// Main memory, or the addresses that a limit leaves this process, where they are fewer. What is free may grow while a
  /// run waits for it; what there is does not.
  package static func machine(threads: Int) -> MemoryRoom {
    let total = ProcessMemory.totalBytes ?? .max
    let free = ProcessMemory.availableBytes
    if let addresses = AddressSpace.available(besideWorkers: threads), addresses < total {
      let alone = threads == 1 ? nil : AddressSpace.available(besideWorkers: 1)
      let other = alone.map { ", with threads=1 \(MemoryPlan.shown($0))" } ?? ""
      return MemoryRoom(
        bytes: addresses, available: min(free, addresses),
        name: "the limit on addresses (ulimit -v) leaves \(MemoryPlan.shown(addresses))\(other)")
    }
    return MemoryRoom(
      bytes: total, available: free, name: "this machine has \(MemoryPlan.shown(total))")
  }
}

extension RunConfiguration.CUDASection {
  /// `memoryLimitGB` in bytes.
  var memoryLimit: Int? { memoryLimitGB.map { Int(min($0 * 1e9, 1e18)) } }
}
