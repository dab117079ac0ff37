import CUDARuntime
import Files
import FoundationEssentials
import SimulatedGPUTesting
import Tensors
import Testing

import gemmabench

/// The GPU's benchmark as a separate program, on the simulated GPU.
struct GPUBenchmarkTests {
  /// The program, which is built beside the tests.
  private static var program: String {
    URL(fileURLWithPath: SimulatedGPU.library ?? "").deletingLastPathComponent().path + "/gemmabench"
  }

  private func inFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("gemmabench-\(UUID())").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  private func gpu(_ arguments: [String], in folder: String) throws -> ChildResult {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    return try runChild(
      [Self.program, "gpu", "--quick", "--model", "\(root)/configs/tiny/model", "--output", "\(folder)/out"]
        + arguments, scratch: folder)
  }

  @Test(.enabled(if: SimulatedGPU.library != nil, "libSimulatedGPU.so is not built"))
  func everythingIsMeasuredOnASimulatedGPUAndAgreesWithTheCPU() throws {
    let simulated = try SimulatedGPU()
    try inFolder { folder in
      let child = try gpu(["--libraries", simulated.folder], in: folder)
      let text = String(decoding: child.output, as: UTF8.self)
      #expect(!text.contains("not measured"), "\(text)")
      let lean = "| full, stochastic rounding, without checkpointing, 16 at once | peak device memory, GB |"
      #expect(text.contains(lean))
      let file = "\(folder)/out/results.json"
      let tables = try JSONValue(parsing: readFile(file), file: file).objectValue?["tables"]?.arrayValue ?? []
      #expect(
        tables.compactMap { $0.objectValue?["title"]?.stringValue } == [
          "What this GPU does", "Operations", "Start-up", "Agreement with the CPU", "Decoding", "Training",
        ])
      let agreement = tables.dropFirst(3).first?.objectValue?["lines"]?.arrayValue ?? []
      #expect(agreement.count == 130)
      for line in agreement { #expect(line.objectValue?["goal_met"]?.boolValue == true, "\(line.text())") }
    }
  }

  /// Whether this machine has no NVIDIA driver.
  private static var hasNoDriver: Bool {
    CUDALibraries(places: .standard(folder: nil)).driverVersion == nil
  }

  @Test(.enabled(if: SimulatedGPU.library != nil && hasNoDriver, "there is an NVIDIA driver"))
  func withoutAGPUItSaysSoWithStatus69() throws {
    try inFolder { folder in
      let fault = #expect(throws: Fault.self) { try gpu([], in: folder) }
      let message = fault?.message ?? ""
      #expect(message.contains("ended with status 69: cuda: no NVIDIA driver: libcuda.so.1 not found in"))
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/out"))
    }
  }

  @Test(.enabled(if: SimulatedGPU.library != nil && hasNoDriver, "there is an NVIDIA driver"))
  func withoutAGPUAndWithAPeerTheTablesSayWhyNothingWasMeasured() throws {
    try inFolder { folder in
      #expect(throws: Fault.self) { try gpu(["--peer", "/bin/false"], in: folder) }
      let text = String(decoding: try readFile("\(folder)/out/results.md"), as: UTF8.self)
      #expect(text.contains("| GPU | cuda: no NVIDIA driver: "))
      #expect(text.contains("| peer | does not run |"))
      #expect(
        text.contains(
          "not measured: gemmatune finds no GPU here; peer not measured: /bin/false scripts/gpu_bench_peer.py train: "
            + "ended with status 1 |"))
    }
  }

  @Test func aProgramThatIsNotDoneInItsLimitIsEnded() throws {
    try inFolder { folder in
      let fault = #expect(throws: Fault.self) {
        try runChild(["sleep", "20"], scratch: folder, limit: 0.1)
      }
      #expect(fault?.message == "sleep 20: not done in 0.1 s")
    }
  }
}
