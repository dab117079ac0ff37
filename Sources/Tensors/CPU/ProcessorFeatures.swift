import CKernels

/// The features of a processor on which a choice of kernels depends.
package struct ProcessorFeatures: OptionSet, Sendable {
  package let rawValue: Int32

  /// The features with these bits of `ck_processor_features`.
  package init(rawValue: Int32) { self.rawValue = rawValue }

  /// 256-bit vectors.
  package static let avx = ProcessorFeatures(rawValue: Int32(CK_AVX))
  /// 256-bit integers and fused multiply-add.
  package static let avx2 = ProcessorFeatures(rawValue: Int32(CK_AVX2))
  /// 512-bit vectors.
  package static let avx512 = ProcessorFeatures(rawValue: Int32(CK_AVX512))
  /// Products of pairs of bfloat16.
  package static let avx512BF16 = ProcessorFeatures(rawValue: Int32(CK_AVX512_BF16))
  /// Made by AMD.
  package static let amd = ProcessorFeatures(rawValue: Int32(CK_AMD))

  /// Features of this machine's processor.
  package static let here = ProcessorFeatures(rawValue: ck_processor_features())

  /// The widest vectors, in words: "AVX-512".
  var text: String {
    if contains(.avx512BF16) { return "AVX512_BF16" }
    if contains(.avx512) { return "AVX-512" }
    return contains(.avx2) ? "AVX2" : contains(.avx) ? "AVX" : "SSE2"
  }
}

extension ProcessorFeatures {
  /// OpenBLAS's names for the kernels that fit, the best first. The list is empty for processors without
  /// AVX2: they are older than every build in use, so the build knows them.
  var openBLASCores: [String] {
    var cores: [String] = []
    if contains(.avx512BF16) { cores.append("Cooperlake") }
    if contains(.avx512) { cores.append("SkylakeX") }
    if contains(.avx2) { cores += contains(.amd) ? ["Zen", "Haswell"] : ["Haswell"] }
    return cores
  }

  /// The features that OpenBLAS's kernels `core` need and this processor lacks; nil when nothing is missing,
  /// or for a name that is not known here.
  /// Source: OpenBLAS 0.3.21 Makefile.x86_64 and getarch.c, the instructions each target is compiled for.
  func missing(forOpenBLAS core: String) -> String? {
    let needed: ProcessorFeatures
    switch core.lowercased() {
    case "sapphirerapids", "cooperlake": needed = .avx512BF16
    case "skylakex": needed = .avx512
    case "haswell", "zen", "excavator": needed = .avx2
    case "sandybridge", "bulldozer", "piledriver", "steamroller": needed = .avx
    default: return nil
    }
    return isSuperset(of: needed) ? nil : needed.text
  }
}
