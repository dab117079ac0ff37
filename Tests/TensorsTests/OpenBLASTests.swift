import Files
import Foundation
import Glibc
import Tensors
import Testing

/// The choice of OpenBLAS's kernels, with a library that is not fast at anything
/// (Tests/Fixtures/OpenBLASStub).
@Suite struct OpenBLASTests {
  private let zen: ProcessorFeatures = [.avx, .avx2, .amd]
  private let server: ProcessorFeatures = [.avx, .avx2, .avx512, .avx512BF16]
  private let all = ",Cooperlake,SkylakeX,Haswell,Zen,Nehalem,"

  private func loaded(
    _ features: ProcessorFeatures, known: String, wrong: String = ",", wanted: String? = nil
  ) throws -> OpenBLAS {
    let library = try stub(known: known, wrong: wrong)
    defer { unlink(library) }
    return try OpenBLAS.loaded(from: [library], features: features, wanted: wanted)
  }

  @Test func kernelsFitAProcessorThatTheBuildDoesNotKnow() throws {
    let library = try loaded(server, known: all)
    #expect(library.core == "Cooperlake")
    #expect(library.name == "OpenBLAS 9.8.7 (Cooperlake)")
    #expect(library.reason == "OpenBLAS kernels: Cooperlake, for a processor with AVX512_BF16")
  }

  @Test func processorsOfAMDHaveKernelsOfTheirOwn() throws {
    let library = try loaded(zen, known: all)
    #expect(library.reason == "OpenBLAS kernels: Zen, for a processor with AVX2")
  }

  @Test func nextBestKernelsAreTakenWhereTheBuildLacksTheBest() throws {
    let library = try loaded(server, known: ",Haswell,")
    #expect(
      library.reason
        == "OpenBLAS kernels: Haswell, for a processor with AVX512_BF16; this build has none for Cooperlake, "
        + "SkylakeX")
  }

  @Test func kernelsThatComputeWrongArePassedOver() throws {
    let library = try loaded(server, known: all, wrong: ",Cooperlake,")
    #expect(
      library.reason
        == "OpenBLAS kernels: SkylakeX, for a processor with AVX512_BF16; a small product is wrong with "
        + "Cooperlake")
  }

  @Test func libraryChoosesForProcessorsWithoutAVX2() throws {
    let library = try loaded([.avx], known: all)
    #expect(library.reason == "OpenBLAS kernels: Prescott, the library's own choice")
  }

  @Test func libraryThatAlwaysComputesWrongIsRefused() throws {
    #expect(
      throws: Fault(
        .unavailable, "OpenBLAS: a small product is wrong with the kernels Zen, Haswell, Prescott",
        hint: "install another build of libopenblas0, or set OPENBLAS_CORETYPE to kernels that compute right")
    ) {
      try loaded(zen, known: all, wrong: ",Zen,Haswell,Prescott,")
    }
  }

  @Test func whatTheUserWantsWins() throws {
    let library = try loaded(zen, known: all, wanted: "Nehalem")
    #expect(
      library.reason
        == "OpenBLAS kernels: Nehalem, as OPENBLAS_CORETYPE asks; Zen would fit this processor")
  }

  @Test func emptyWishIsNone() throws {
    #expect(try loaded(zen, known: all, wanted: "").core == "Zen")
  }

  @Test func wishThatTheBuildDoesNotHaveIsSaid() throws {
    let library = try loaded(zen, known: all, wanted: "Atom")
    #expect(
      library.reason
        == "OpenBLAS kernels: Prescott; this build has none for OPENBLAS_CORETYPE=Atom; Zen would fit this "
        + "processor")
  }

  @Test func wishThatComputesWrongIsRefused() throws {
    #expect(
      throws: Fault(
        .unavailable, "OPENBLAS_CORETYPE=Haswell: OpenBLAS 9.8.7 (Haswell) gets a small product wrong",
        hint: "unset it: kernels that compute right are taken then")
    ) {
      try loaded(zen, known: all, wrong: ",Haswell,", wanted: "Haswell")
    }
  }

  @Test(arguments: [
    ("SkylakeX", "AVX-512"), ("cooperlake", "AVX512_BF16"), ("SapphireRapids", "AVX512_BF16"),
  ])
  func wishThatTheProcessorCannotRunIsRefused(core: String, needed: String) throws {
    #expect(
      throws: Fault(
        .unavailable,
        "OPENBLAS_CORETYPE=\(core): these kernels need \(needed), which this processor does not have",
        hint: "unset it: kernels that fit the processor are taken then")
    ) {
      try loaded(zen, known: all, wanted: core)
    }
  }

  @Test func absentLibraryIsNamed() throws {
    let fault = try #require(throws: Fault.self) {
      try OpenBLAS.loaded(from: ["libopenblas-absent.so.0"], features: zen, wanted: nil)
    }
    #expect(
      fault.message
        == "OpenBLAS: libopenblas-absent.so.0: cannot open shared object file: No such file or directory")
    #expect(fault.kind == .unavailable && fault.hint == "on Debian: apt install libopenblas0")
  }

  @Test func libraryOfOtherFunctionsIsRefused() throws {
    let fault = try #require(throws: Fault.self) {
      try OpenBLAS.loaded(from: ["libm.so.6"], features: zen, wanted: nil)
    }
    #expect(fault.message == "OpenBLAS: libm.so.6: is not OpenBLAS")
  }

  @Test func libraryOfThisProcessComputesRight() throws {
    #expect(try OpenBLAS.shared.get().multipliesRight())
  }

  /// A stub of its own for each test, since a library that is already loaded would not be loaded again.
  private func stub(known: String, wrong: String) throws -> String {
    let output = FileManager.default.temporaryDirectory.appendingPathComponent("gemmatune-blas-\(UUID()).so")
      .path
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    try buildLibrary(
      ["-DKNOWN=\"\(known)\"", "-DWRONG=\"\(wrong)\"", "\(root)/Fixtures/OpenBLASStub/stub.c"], to: output)
    return output
  }
}
