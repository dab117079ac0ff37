// swift-tools-version: 6.2
import PackageDescription

/// What every C and C++ source is compiled with.
let warnings = ["-Wall", "-Wextra"]

/// For modules in which no pointer belongs: each use of one is a warning.
let noPointers: [SwiftSetting] = [.strictMemorySafety()]

let package = Package(
  name: "gemmatune",
  products: [
    .executable(name: "gemmatune", targets: ["gemmatune"]),
    // For the tests alone, which load it where others have libcuda.so.1.
    .library(name: "SimulatedGPU", type: .dynamic, targets: ["CSimulatedGPU"]),
  ],
  dependencies: [.package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")],
  targets: [
    .target(
      name: "COpenBLAS", cSettings: [.unsafeFlags(warnings)],
      linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5-serial", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .target(
      name: "CKernels",
      cSettings: [.headerSearchPath("."), .unsafeFlags(["-O3", "-fno-math-errno"] + warnings)]),
    .target(
      name: "CCUDA", exclude: ["kernels"], cSettings: [.unsafeFlags(warnings)],
      linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    .target(name: "CSHA256", cSettings: [.unsafeFlags(["-O2"] + warnings)]),
    .target(name: "Files", dependencies: ["CSHA256"]),
    .target(name: "CUDARuntime", dependencies: ["Files", "CCUDA"]),
    .target(name: "Tensors", dependencies: ["Files", "COpenBLAS", "CHDF5", "CKernels", "CUDARuntime"]),
    // The list of what every conformer of Kernels is tested and timed with.
    .target(name: "KernelCases", dependencies: ["Files", "Tensors"]),
    .target(name: "Gemma", dependencies: ["Files", "Tensors"]),
    .target(name: "GSM8K", dependencies: ["Files"], swiftSettings: noPointers),
    .target(name: "YAML", dependencies: ["Files", "CYAML"]),
    .target(
      name: "FineTuning", dependencies: ["Files", "YAML", "CUDARuntime", "Tensors", "Gemma", "GSM8K"]),
    .executableTarget(
      name: "gemmatune",
      dependencies: [
        "Files", "Tensors", "GSM8K", "FineTuning",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "gemmabench",
      dependencies: [
        "Files", "CUDARuntime", "Tensors", "KernelCases", "Gemma", "GSM8K", "FineTuning",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .target(
      name: "CSimulatedGPU", path: "Tests/SimulatedGPU",
      cxxSettings: [
        .headerSearchPath("."), .headerSearchPath("../../Sources/CCUDA/kernels"),
        .unsafeFlags(["-O2", "-ffp-contract=off"] + warnings + ["-Wno-unused-parameter"]),
      ]),
    .target(
      name: "SimulatedGPUTesting", dependencies: ["Files", "CUDARuntime", "Tensors"],
      path: "Tests/SimulatedGPUTesting"),
    .testTarget(name: "FilesTests", dependencies: ["Files"]),
    .testTarget(
      name: "TensorsTests",
      dependencies: ["Files", "CUDARuntime", "Tensors", "KernelCases", "SimulatedGPUTesting"]),
    .testTarget(name: "GemmaTests", dependencies: ["Files", "Tensors", "Gemma", "SimulatedGPUTesting"]),
    .testTarget(name: "GSM8KTests", dependencies: ["Files", "GSM8K"]),
    .testTarget(
      name: "FineTuningTests",
      dependencies: [
        "gemmatune", "FineTuning", "Files", "YAML", "CUDARuntime", "Tensors", "Gemma", "GSM8K",
        "SimulatedGPUTesting",
      ]),
    .testTarget(
      name: "gemmabenchTests",
      dependencies: [
        "gemmabench", "Files", "CUDARuntime", "Tensors", "KernelCases", "Gemma", "SimulatedGPUTesting",
      ]),
  ],
  cxxLanguageStandard: .cxx20
)
