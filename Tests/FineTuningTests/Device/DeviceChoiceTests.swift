import Files
import Foundation
import Testing
import FineTuning

/// Which device a command uses, what it reports about it, and what it refuses.
@Suite struct DeviceChoiceTests {
  private let gpu: SteeredGPU
  private let workspace: Workspace

  init() throws {
    gpu = try SteeredGPU.shared.get()
    workspace = try Workspace()
  }

  /// Trains with `overrides`, in an environment that controls the simulated GPU.
  private func train(_ overrides: [String], _ environment: [String: String] = [:]) throws -> CommandResult {
    try workspace.run(["train", "run.yaml"] + overrides, environment: environment)
  }

  private func lines(_ result: CommandResult) -> [String] {
    result.errors.split(separator: "\n").map(String.init)
  }

  // MARK: - What is taken

  @Test func gpuIsNamedInTheFirstLine() throws {
    let result = try train(gpu.overrides)
    #expect(result.status == 0)
    #expect(
      lines(result).first?.hasPrefix(
        "training on Simulated GPU (sm_90, 4 multiprocessors, 8.59 GB), driver of CUDA 13.0, cuBLASLt ")
        == true)
    #expect(try workspace.text("runs/run/train.log").hasPrefix(lines(result).first ?? "-"))
  }

  @Test func autoTakesAGPUThatWorks() throws {
    let result = try train(gpu.overrides + ["device=auto"])
    #expect(result.status == 0 && lines(result).first?.hasPrefix("training on Simulated GPU ") == true)
  }

  @Test func autoSaysWhyThereIsNoGPU() throws {
    let result = try train(gpu.overrides + ["device=auto"], ["GPU_DEVICES": "0"])
    #expect(result.status == 0)
    #expect(lines(result).first?.hasSuffix(" thread") == true)
    #expect(
      lines(result)[1]
        == "no GPU is used: no GPU that works: found \(gpu.folder)/libSimulatedGPU.so (CUDA 13.0), but cuInit "
        + "gave CUDA_ERROR_NO_DEVICE (100), no CUDA-capable device is detected")
  }

  @Test func evaluationSaysWhatItComputesOn() throws {
    #expect(try train(["--quiet"]).status == 0)
    let first = try workspace.run(["eval", "run.yaml"] + gpu.overrides)
    #expect(first.status == 0 && lines(first).first?.hasPrefix("evaluating on Simulated GPU ") == true)
    let second = try workspace.run(
      ["eval", "run.yaml"] + gpu.overrides + ["device=auto"], environment: ["GPU_DEVICES": "0"])
    #expect(second.status == 0 && lines(second)[1].hasPrefix("no GPU is used: no GPU that works: found "))
  }

  @Test func cpuLooksAtNoLibrary() throws {
    let settings = try workspace.text("run.yaml") + "cuda: {libraries: \(gpu.folder)}\n"
    try workspace.write("run.yaml", settings)
    let sign = "\(workspace.path)/sign"
    #expect(try train(["--quiet"], ["GPU_SIGN": sign]).status == 0)
    #expect(!FileManager.default.fileExists(atPath: sign))
    #expect(try train(["device=auto", "--dry-run"], ["GPU_SIGN": sign]).status == 0)
    #expect(FileManager.default.fileExists(atPath: sign))
  }

  @Test func scoringSavedAnswersLooksAtNoLibrary() throws {
    // A library of that name in the loader path of the working directory would be opened.
    let sign = "\(workspace.path)/sign"
    try workspace.write("p.jsonl", (0..<3).map { "{\"id\": \($0), \"completion\": \"\"}\n" }.joined())
    let result = try workspace.run(
      ["eval", "--predictions", "p.jsonl", "--references", "data/test.jsonl"],
      environment: ["LD_LIBRARY_PATH": gpu.folder, "GPU_SIGN": sign])
    #expect(result.status == 0 && !FileManager.default.fileExists(atPath: sign))
  }

  // MARK: - Dry run

  @Test func dryRunPrintsTheDeviceAndTheLibraries() throws {
    let result = try train(gpu.overrides + ["--dry-run"])
    let library = "\(gpu.folder)/libSimulatedGPU.so"
    #expect(
      result.output.hasSuffix(
        """
        steps       3, the first 1 warming up
        parameters  12976, trainable 12976 (100.0000 %)
        memory      33.9 MB at the peak (weights 26.0 kB, gradients 51.9 kB, optimizer 155.7 kB, \
        activations 66.6 kB, vocabulary 90.1 kB, workspace 33.6 MB)
        batches     2 micro-batches merged into 1
        device      Simulated GPU (sm_90, 4 multiprocessors, 8.59 GB), driver of CUDA 13.0
                    libcuda.so.1: 13.0, \(library)
                    libnvrtc.so.13: 13.0, \(library)
                    libcublasLt.so.13: 13.0, \(library)

        """))
    #expect(!workspace.contents.contains("runs"))
  }

  @Test func dryRunSaysThatARunDoesNotFit() throws {
    let result = try train(gpu.overrides + ["--dry-run", "cuda.memory_limit_gb=0.005"])
    #expect(result.status == 0)
    #expect(
      result.output.contains(
        """
        workspace 33.6 MB)
                    does not fit: memory: the run needs 33.9 MB at the peak (weights 26.0 kB, gradients 51.9 kB, \
        optimizer 155.7 kB, activations 33.3 kB, vocabulary 45.1 kB, workspace 33.6 MB), the most for workspace; \
        cuda.memory_limit_gb allows 5.0 MB
                    hint: no setting makes this model fit; expected a smaller one, or more memory
        device      Simulated GPU
        """))
  }

  // MARK: - Refusals

  private func refusal(_ overrides: [String], _ environment: [String: String] = [:]) throws -> CommandResult {
    let before = workspace.contents
    let result = try train(overrides, environment)
    #expect(workspace.contents == before)
    return result
  }

  @Test func missingLibraryFolderIsNamed() throws {
    for device in ["auto", "cuda"] {
      #expect(
        try refusal(["device=\(device)", "cuda.libraries=nowhere"])
          == .refusal(66, "nowhere: no such folder; cuda.libraries names it"))
    }
  }

  @Test func machineWithoutAGPUIsRefused() throws {
    #expect(
      try refusal(gpu.overrides, ["GPU_DEVICES": "0"])
        == .refusal(
          69,
          "cuda: no GPU that works: found \(gpu.folder)/libSimulatedGPU.so (CUDA 13.0), but cuInit gave "
            + "CUDA_ERROR_NO_DEVICE (100), no CUDA-capable device is detected",
          hint: "nvidia-smi shows what the driver sees; set device: cpu to do without"))
  }

  @Test func oldDriverIsRefused() throws {
    #expect(
      try refusal(gpu.overrides, ["GPU_DRIVER": "114"])
        == .refusal(
          69,
          "cuda: the NVIDIA driver is too old: \(gpu.folder)/libSimulatedGPU.so is of CUDA 11.4; "
            + "expected 12.0 or newer",
          hint: "update NVIDIA's driver (525 or newer), or set device: cpu"))
  }

  @Test func evaluationWithoutAGPUIsRefusedAndWritesNothing() throws {
    let before = workspace.contents
    let result = try workspace.run(
      ["eval", "run.yaml", "method=none"] + gpu.overrides, environment: ["GPU_DEVICES": "0"])
    #expect(result.status == 69 && result.errors.hasPrefix("error: cuda: no GPU that works: found "))
    #expect(workspace.contents == before)
  }

  @Test func runThatDoesNotFitIsRefusedBeforeItsFirstStep() throws {
    #expect(
      try refusal(gpu.overrides, ["GPU_MEMORY": "20000000"])
        == .refusal(
          69,
          "memory: the run needs 33.9 MB at the peak (weights 26.0 kB, gradients 51.9 kB, optimizer 155.7 kB, "
            + "activations 33.3 kB, vocabulary 45.1 kB, workspace 33.6 MB), the most for workspace; "
            + "Simulated GPU has 20.0 MB free",
          hint: "no setting makes this model fit; expected a smaller one, or more memory"))
  }

  @Test func modelLargerThanTheMachineIsRefused() throws {
    // Some 13 TB of weights, none of which is read or drawn.
    let kinds = Array(repeating: "\"full_attention\"", count: 32).joined(separator: ", ")
    let large = try workspace.text("model/config.json")
      .replacing("\"hidden_size\": 16", with: "\"hidden_size\": 65536")
      .replacing("\"intermediate_size\": 32", with: "\"intermediate_size\": 1048576")
      .replacing("\"num_hidden_layers\": 2", with: "\"num_hidden_layers\": 32")
      .replacing("\"sliding_attention\", \"full_attention\"", with: kinds)
    try workspace.write("model/config.json", large)
    let result = try refusal(["method=lora"])
    #expect(result.status == 69)
    #expect(result.errors.hasPrefix("error: memory: the run needs 132"))
    #expect(result.errors.contains(", the most for weights; this machine has "))
    #expect(
      result.errors.hasSuffix(
        "\nhint: no setting makes this model fit; expected a smaller one, or more memory\n"))
  }
}
