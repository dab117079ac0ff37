import CUDARuntime
import Files
import Foundation
import Tensors
import Testing

/// The libraries found on a machine, and the messages about missing ones.
@Suite struct CUDALibrariesTests {
  // MARK: - Places

  @Test func standardPlacesAreTheLoaderTheToolkitAndPythonEnvironments() throws {
    try withTemporaryFolder { root in
      let packages = "\(root)/env/lib/python3.12/site-packages/nvidia"
      for folder in ["\(packages)/cu13/lib", "\(packages)/cublas/lib", "\(root)/env/bin"] {
        try makeDirectory(folder)
      }
      try makeDirectory("\(root)/home/.local/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib")
      try makeDirectory("\(root)/usr/local/lib/python3.11/dist-packages/nvidia/cu13/lib")
      try writeAtomically("", to: "\(root)/env/bin/python3")
      let places = LibraryPlaces(
        folder: nil, searchPath: ["\(root)/env/bin", "\(root)/nowhere"], home: "\(root)/home", root: root)
      #expect(
        places.toolkit.map(\.description) == [
          "the system's loader paths", "\(root)/usr/local/cuda/lib64", "\(packages)/cu13/lib",
          "\(packages)/cublas/lib", "\(root)/home/.local/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib",
          "\(root)/usr/local/lib/python3.11/dist-packages/nvidia/cu13/lib",
        ])
      #expect(
        places.driver.map(\.description) == [
          "the system's loader paths", "\(root)/usr/local/nvidia/lib64", "\(root)/usr/lib/wsl/lib",
        ])
    }
  }

  @Test func environmentOfALinkedInterpreterIsLookedInToo() throws {
    try withTemporaryFolder { root in
      try makeDirectory("\(root)/base/bin")
      try makeDirectory("\(root)/base/lib/python3.12/site-packages/nvidia/cu13/lib")
      try makeDirectory("\(root)/env/bin")
      try writeAtomically("", to: "\(root)/base/bin/python3")
      try FileManager.default.createSymbolicLink(
        atPath: "\(root)/env/bin/python3", withDestinationPath: "\(root)/base/bin/python3")
      let places = LibraryPlaces(folder: nil, searchPath: ["\(root)/env/bin"], home: root, root: root)
      #expect(
        places.toolkit.last == .folder("\(root)/base/lib/python3.12/site-packages/nvidia/cu13/lib"))
    }
  }

  // MARK: - What is taken

  @Test func everyLibraryOfTheChosenFolderIsFound() throws {
    let stub = try CUDAStub()
    let file = "\(stub.folder)/libcuda.so.1"
    #expect(
      stub.libraries.lines
        == [
          "libcuda.so.1: 13.0, \(file)", "libnvrtc.so.13: 13.2, \(stub.folder)/libnvrtc.so.13",
          "libcublasLt.so.13: 13.2, \(stub.folder)/libcublasLt.so.13",
        ].map { $0.replacing("\(stub.folder)/libnvrtc.so.13", with: file) }
        .map { $0.replacing("\(stub.folder)/libcublasLt.so.13", with: file) })
  }

  @Test func compilerNewerThanTheDriverIsNotTaken() throws {
    let stub = try CUDAStub(matmul: nil)
    stub.set("version", 12040)
    stub.set("nvrtc_major", 12)
    try FileManager.default.createSymbolicLink(
      atPath: "\(stub.folder)/libnvrtc.so.12", withDestinationPath: "libcuda.so.1")
    let looks = stub.libraries.sightings.filter { $0.library.hasPrefix("libnvrtc") }
    #expect(looks.map(\.library) == ["libnvrtc.so.12"])
  }

  @Test func chosenFolderComesBeforeANewerLibraryElsewhere() throws {
    let (chosen, other) = (try CUDAStub(nvrtc: "libnvrtc.so.12"), try CUDAStub())
    let places = LibraryPlaces(folder: chosen.folder, toolkit: [.folder(other.folder)])
    let found = CUDALibraries(places: places).sightings.last { $0.library.hasPrefix("libnvrtc") }
    #expect(found?.library == "libnvrtc.so.12")
  }

  @Test func libraryWithoutAFunctionIsPassedOver() throws {
    let stub = try CUDAStub()
    try withTemporaryFolder { folder in
      try writeAtomically("int nvrtcVersion(int *a, int *b) { return 1; }", to: "\(folder)/a.c")
      try buildLibrary(["\(folder)/a.c"], to: "\(folder)/libnvrtc.so.13")
      let places = LibraryPlaces(
        driver: [.folder(stub.folder)], toolkit: [.folder(folder), .folder(stub.folder)])
      let looks = CUDALibraries(places: places).sightings.filter { $0.library == "libnvrtc.so.13" }
      #expect(
        looks.first?.description
          == "libnvrtc.so.13 in \(folder): cannot be used: it lacks the function nvrtcGetNumSupportedArchs")
      #expect(looks.count == 2)
    }
  }

  @Test func bareNameThatIsNowhereIsAbsent() {
    let libraries = CUDALibraries(places: LibraryPlaces(toolkit: [.loader]))
    #expect(libraries.sightings.allSatisfy { $0.place == .loader })
    // A machine with CUDA has them. A machine without CUDA must not call them unusable.
    for sighting in libraries.sightings {
      if case .unusable(let why) = sighting.outcome { Issue.record("\(why)") }
    }
  }

  // MARK: - What is missing

  @Test func missingDriverIsNamed() throws {
    try withTemporaryFolder { folder in
      let libraries = CUDALibraries(places: LibraryPlaces(driver: [.folder(folder), .folder("/nowhere")]))
      #expect(
        throws: Fault(
          .unavailable,
          "cuda: no NVIDIA driver: libcuda.so.1 not found in \(folder), /nowhere; "
            + "expected the driver of CUDA 12.0 or newer",
          hint: "install NVIDIA's driver (525 or newer), or set device: cpu")
      ) { try CUDADevice(libraries) }
      #expect(
        libraries.lines == [
          "libcublasLt: not found", "libcuda.so.1: not found in \(folder), /nowhere", "libnvrtc: not found",
        ])
    }
  }

  @Test func brokenDriverIsQuoted() throws {
    try withTemporaryFolder { folder in
      try writeAtomically("no library", to: "\(folder)/libcuda.so.1")
      #expect(
        throws: Fault(
          .unavailable,
          "cuda: no NVIDIA driver: libcuda.so.1 not found in \(folder); libcuda.so.1 in \(folder): "
            + "cannot be used: \(folder)/libcuda.so.1: file too short; expected the driver of CUDA 12.0 or newer",
          hint: "install NVIDIA's driver (525 or newer), or set device: cpu")
      ) { try CUDADevice(CUDALibraries(places: LibraryPlaces(folder: folder))) }
    }
  }

  @Test func oldDriverIsRefused() throws {
    let stub = try CUDAStub()
    stub.set("version", 11040)
    #expect(
      throws: Fault(
        .unavailable,
        "cuda: the NVIDIA driver is too old: \(stub.folder)/libcuda.so.1 is of CUDA 11.4; "
          + "expected 12.0 or newer",
        hint: "update NVIDIA's driver (525 or newer), or set device: cpu")
    ) { try CUDADevice(stub.libraries) }
  }

  @Test func driverThatDoesNotStartIsQuoted() throws {
    let stub = try CUDAStub()
    stub.failNext("cuInit", 100)
    #expect(
      throws: Fault(
        .unavailable,
        "cuda: no GPU that works: found \(stub.folder)/libcuda.so.1 (CUDA 13.0), but cuInit gave "
          + "CUDA_ERROR_NO_DEVICE (100), no CUDA-capable device is detected",
        hint: "nvidia-smi shows what the driver sees; set device: cpu to do without")
    ) { try CUDADevice(stub.libraries) }
  }

  @Test func driverWithoutADeviceIsNamed() throws {
    let stub = try CUDAStub()
    stub.set("devices", 0)
    #expect(
      throws: Fault(
        .unavailable,
        "cuda: no GPU: found \(stub.folder)/libcuda.so.1 (CUDA 13.0), which shows no device",
        hint: "nvidia-smi shows what the driver sees; set device: cpu to do without")
    ) { try CUDADevice(stub.libraries) }
  }

  @Test func oldDeviceIsRefused() throws {
    let stub = try CUDAStub()
    stub.set("major", 7)
    stub.set("minor", 5)
    #expect(
      throws: Fault(
        .unavailable,
        "cuda: the GPU is too old: Stub GPU 0 has compute capability 7.5; expected 8.0 or newer",
        hint: "set device: cpu to do without")
    ) { try CUDADevice(stub.libraries) }
  }

  @Test func oldDeviceIsPassedOverForANewerOne() throws {
    let stub = try CUDAStub()
    stub.set("major", 7)
    stub.set("devices", 2)
    let properties = try CUDADevice(stub.libraries).properties
    #expect(properties.name == "Stub GPU 1" && properties.ordinal == 1)
  }

  @Test func missingCompilerIsNamedWithWhatWasFound() throws {
    let stub = try CUDAStub(nvrtc: nil)
    #expect(
      throws: Fault(
        .unavailable,
        "cuda: no compiler for kernels: found Stub GPU 0 and \(stub.folder)/libcuda.so.1 (CUDA 13.0), "
          + "but not NVRTC in \(stub.folder); expected libnvrtc.so.13 or libnvrtc.so.12",
        hint: "pip install nvidia-cuda-nvrtc, or name the folder that holds it in cuda.libraries")
    ) { try CUDADevice(stub.libraries) }
  }

  @Test func compilerForAnOlderDriverIsOfItsMajor() throws {
    let stub = try CUDAStub()
    stub.set("version", 12080)
    #expect(
      throws: Fault(
        .unavailable,
        "cuda: no compiler for kernels: found Stub GPU 0 and \(stub.folder)/libcuda.so.1 (CUDA 12.8), "
          + "but not NVRTC in \(stub.folder); expected libnvrtc.so.12",
        hint: "pip install nvidia-cuda-nvrtc-cu12, or name the folder that holds it in cuda.libraries")
    ) { try CUDADevice(stub.libraries) }
  }

  @Test func missingMatrixLibraryIsANote() throws {
    let stub = try CUDAStub(matmul: nil)
    let libraries = stub.libraries
    #expect(
      libraries.matmulNote
        == "cuda: cuBLASLt not found in \(stub.folder); matrix products are computed by own kernels, which are slower"
    )
    _ = try CUDADevice(libraries)
    #expect(try CUDAStub().libraries.matmulNote == nil)
  }
}
