import CUDARuntime
import Files
import Foundation
import Tensors
import Testing

/// Compiling, caching, loading and launching kernels. The stub's compiled code is the options and the text.
@Suite struct CUDAModulesTests {
  private let stub: CUDAStub
  private let device: CUDADevice
  private let header = KernelFile(name: "gpu.cuh", text: "header")
  private let files = [KernelFile(name: "a.cu", text: "first"), KernelFile(name: "b.cu", text: "second")]

  init() throws {
    stub = try CUDAStub()
    device = try CUDADevice(stub.libraries)
  }

  private func modules(_ cacheFolder: String?, _ files: [KernelFile]? = nil) throws -> KernelModules {
    try KernelModules(device, files: files ?? self.files, headers: [header], cacheFolder: cacheFolder)
  }

  // MARK: - Targets

  @Test(arguments: [
    (90, KernelTarget.binary(90)), (87, .binary(86)), (103, .binary(100)), (130, .portable(120)),
    (110, .portable(100)), (61, nil),
  ]) func nearestOlderTargetIsTaken(architecture: Int, target: KernelTarget?) {
    #expect(KernelTarget.best(for: architecture, supported: [75, 80, 86, 90, 100, 120]) == target)
  }

  @Test func deviceThatTheCompilerDoesNotKnowIsAFault() throws {
    stub.set("oldest_arch", 100)
    #expect(
      throws: Fault(
        .unavailable,
        "cuda: Stub GPU 0 is of sm_90, which NVRTC 13.2 (\(stub.folder)/libcuda.so.1) does not compile for; "
          + "it knows sm_100, sm_120, sm_121",
        hint: "install another NVRTC and name its folder in cuda.libraries, or set device: cpu")
    ) { try modules(nil) }
  }

  @Test func newerDeviceGetsPortableCode() throws {
    stub.set("newest_arch", 89)
    #expect(try modules(nil).report.target == "compute_89")
  }

  // MARK: - Compiling and keeping

  @Test func filesAreCompiledOnceAndKept() throws {
    try withTemporaryFolder { folder in
      let cache = folder + "/new/gemmatune"
      let cold = try modules(cache).report
      #expect(cold.compiledCount == 2 && cold.cachedCount == 0 && cold.target == "sm_90")
      let warm = try modules(cache).report
      #expect(warm.compiledCount == 0 && warm.cachedCount == 2)
      #expect(stub.get("compilations") == 2)
      let names = try FileManager.default.contentsOfDirectory(atPath: cache).sorted()
      #expect(names.count == 2 && names[0].hasPrefix("a-sm_90-") && names[1].hasPrefix("b-sm_90-"))
    }
  }

  @Test func entryHoldsWhatTheCompilerGave() throws {
    try withTemporaryFolder { folder in
      _ = try modules(folder)
      let name = try #require(
        try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasPrefix("a-") })
      let content = String(decoding: try readFile("\(folder)/\(name)").dropLast(32), as: UTF8.self)
      #expect(
        content == "--std=c++17 -default-device --gpu-architecture=sm_90 a.cu 1 gpu.cuh header\nfirst")
    }
  }

  @Test func changedTextIsCompiledAgain() throws {
    try withTemporaryFolder { folder in
      _ = try modules(folder)
      let changed = [files[0], KernelFile(name: "b.cu", text: "third")]
      #expect(try modules(folder, changed).report.compiledCount == 1)
      stub.set("nvrtc_minor", 3)
      let device = try CUDADevice(stub.libraries)
      let updated = try KernelModules(device, files: changed, headers: [header], cacheFolder: folder)
      #expect(updated.report.compiledCount == 2)
      let other = try KernelModules(
        device, files: changed, headers: [KernelFile(name: "gpu.cuh", text: "new")], cacheFolder: folder)
      #expect(other.report.compiledCount == 2)
    }
  }

  /// Every byte of an entry matters, and so does its length.
  @Test(arguments: [0, 20, -1, nil]) func damagedEntryIsCompiledAgain(position: Int?) throws {
    try withTemporaryFolder { folder in
      _ = try modules(folder)
      for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
        var bytes = try readFile("\(folder)/\(name)")
        if let position { bytes[position < 0 ? bytes.count - 1 : position] ^= 1 } else { bytes = [] }
        try writeAtomically(bytes, to: "\(folder)/\(name)")
      }
      #expect(try modules(folder).report.compiledCount == 2)
      #expect(try modules(folder).report.cachedCount == 2)
    }
  }

  @Test func folderThatCannotBeWrittenKeepsNothing() throws {
    try withTemporaryFolder { folder in
      try writeAtomically("a file", to: folder + "/file")
      #expect(try modules(folder + "/file/cache").report.compiledCount == 2)
      #expect(try modules(folder + "/file/cache").report.compiledCount == 2)
    }
  }

  @Test func fileThatDoesNotCompileIsNamedWithTheCompilersWords() throws {
    #expect(
      throws: Fault(
        .failure,
        "a.cu: does not compile for sm_90 with NVRTC 13.2: a.cu(7): error: y is not defined | "
          + "1 error detected in a.cu")
    ) { try modules(nil, [KernelFile(name: "a.cu", text: "#error")]) }
  }

  @Test func codeThatCannotBeLoadedIsAFault() throws {
    stub.failNext("cuModuleLoadDataEx", 1)
    #expect(
      throws: Fault(
        .unavailable,
        "a.cu: cannot be loaded on Stub GPU 0: cuda: cuModuleLoadDataEx gave CUDA_ERROR_INVALID_VALUE (1), "
          + "invalid argument")
    ) { try modules(nil) }
  }

  @Test func driversCompilerIsQuotedWherePortableCodeDoesNotPass() throws {
    stub.failNext("cuModuleLoadDataEx", 218)
    let fault = #expect(throws: Fault.self) { try modules(nil) }
    #expect(fault?.message.contains("cuModuleLoadDataEx (ptxas: line 3) gave") == true)
  }

  @Test func codeOfAKernelIsLoadedAtItsFirstLaunch() throws {
    let kernel = try modules(nil).kernel("add_f32")
    #expect(stub.get("cuFuncGetAttribute") == 0)
    for _ in 0..<2 { kernel.launch(grid: 1, block: 1, UInt64(1), UInt64(1), UInt64(1), Int64(1)) }
    try device.synchronize()
    #expect(stub.get("cuFuncGetAttribute") == 1 && stub.get("cuLaunchKernel") == 2)
  }

  @Test func codeOfAKernelThatCannotBeLoadedIsNamed() throws {
    let kernel = try modules(nil).kernel("add_f32")
    stub.failNext("cuFuncGetAttribute", 1)
    kernel.launch(grid: 1, block: 1, UInt64(1), UInt64(1), UInt64(1), Int64(1))
    let error = #expect(throws: CUDAError.self) { try device.synchronize() }
    #expect(error?.call == "cuFuncGetAttribute(add_f32)" && stub.get("cuLaunchKernel") == 0)
  }

  @Test func modulesAreUnloadedInTheEnd() throws {
    _ = try modules(nil)
    #expect(stub.get("cuModuleLoadDataEx") == 2 && stub.get("cuModuleUnload") == 2)
  }

  @Test func programHoldsItsKernelsAndWhatTheyInclude() {
    let headers = KernelFile.embeddedHeaders
    let files = KernelFile.embedded
    #expect(headers.first?.name == "gpu.cuh" && files.map(\.name).contains("elementwise.cu"))
    // The first header also includes the emulator, if it is not compiled for a GPU.
    for file in files + headers.dropFirst() {
      for line in file.text.split(separator: "\n") where line.hasPrefix("#include") {
        #expect(headers.contains { line == "#include \"\($0.name)\"" }, "\(file.name): \(line)")
      }
    }
  }

  // MARK: - Launching

  @Test func launchPassesItsNumbers() throws {
    let modules = try modules(nil)
    try modules.kernel("add_f32").launch(
      grid: LaunchExtent(3, 2), block: 96, UInt64(11), UInt64(12), UInt64(13), Int64(1 << 40))
    try device.synchronize()
    #expect(stub.get("grid") == 30201 && stub.get("block") == 960101)
    #expect(stub.get("argument 0") == 11 && stub.get("argument 3") == 1 << 40)
  }

  @Test func emptyGridLaunchesNothing() throws {
    try modules(nil).kernel("add_f32").launch(
      grid: LaunchExtent.covering(0, block: 256), block: 256, UInt64(0), UInt64(0), UInt64(0),
      Int64(0))
    try device.synchronize()
    #expect(stub.get("cuLaunchKernel") == 0)
  }

  @Test func gridCoversTheElementsUpToABound() {
    #expect(LaunchExtent.covering(257, block: 256) == LaunchExtent(2))
    #expect(LaunchExtent.covering(1 << 40, block: 256) == LaunchExtent(65_536))
  }

  @Test func functionIsLookedUpOnce() throws {
    let modules = try modules(nil)
    #expect(try modules.kernel("add_f32") === modules.kernel("add_f32"))
    #expect(stub.get("cuModuleGetFunction") == 1)
  }

  @Test func unknownKernelIsNamedWhenItIsLookedUp() throws {
    let modules = try modules(nil)
    let error = #expect(throws: CUDAError.self) { try modules.kernel("sub_f32") }
    #expect(
      error?.description
        == "cuda: cuModuleGetFunction(sub_f32) gave CUDA_ERROR_NOT_FOUND (500), named symbol not found")
    #expect(stub.get("cuModuleGetFunction") == 2)
  }

  @Test func argumentOfTheWrongSizeIsNamed() throws {
    let modules = try modules(nil)
    try modules.kernel("add_f32").launch(grid: 1, block: 1, UInt64(1), UInt64(1), UInt64(1), Int32(1))
    let error = #expect(throws: CUDAError.self) { try device.synchronize() }
    #expect(
      error?.description
        == "cuda: add_f32 gave CUDA_ERROR_INVALID_VALUE (1), argument 3 has 4 bytes, the kernel's has 8")
    #expect(stub.get("cuLaunchKernel") == 0)
  }

  @Test(arguments: [3, 5]) func wrongNumberOfArgumentsIsNamed(count: Int) throws {
    let modules = try modules(nil)
    let one = UInt64(1)
    if count == 3 {
      try modules.kernel("add_f32").launch(grid: 1, block: 1, one, one, one)
    } else {
      try modules.kernel("add_f32").launch(grid: 1, block: 1, one, one, one, one, one)
    }
    let error = #expect(throws: CUDAError.self) { try device.synchronize() }
    let words =
      count == 3 ? "argument 3 has 0 bytes, the kernel's has 8" : "argument 4 has 8 bytes, the kernel's has 0"
    #expect(error?.text == words)
  }

  @Test func sharedMemoryAbove48KiBIsAskedForOnce() throws {
    let modules = try modules(nil)
    let one = UInt64(1)
    for shared in [49_152, 100_000, 100_000, 60_000] {
      try modules.kernel("add_f32").launch(grid: 1, block: 1, shared: shared, one, one, one, one)
    }
    try device.synchronize()
    #expect(stub.get("cuFuncSetAttribute") == 1 && stub.get("shared") == 100_000)
  }

  @Test func moreSharedMemoryThanThereIsIsNamed() throws {
    let modules = try modules(nil)
    let one = UInt64(1)
    try modules.kernel("add_f32").launch(grid: 1, block: 1, shared: 300_000, one, one, one, one)
    let error = #expect(throws: CUDAError.self) { try device.synchronize() }
    #expect(error?.call == "cuFuncSetAttribute(add_f32, 300000 bytes of shared memory)")
    #expect(stub.get("cuLaunchKernel") == 0)
  }
}
