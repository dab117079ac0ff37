import CKernels
import COpenBLAS
import Files
import FoundationEssentials

/// OpenBLAS, the float32 matrix product, with kernels that fit the processor and pass a check.
///
/// OpenBLAS chooses its kernels by the processor's model number. A build that is older than the processor
/// falls back to kernels of 2004, which take three times as long. Some builds compute wrong results on
/// processors that they misjudge. So this type loads the library with the kernels that the processor's
/// features allow, and checks a small product before anything relies on it.
/// Source: OpenBLAS 0.3.21 driver/others/dynamic.c (get_coretype, force_coretype).
package struct OpenBLAS: @unchecked Sendable {
  // Unchecked: pointers into a library that stays loaded until the process ends.
  private var library: ob_library
  /// Such as "OpenBLAS 0.3.21 (Haswell)".
  package let name: String
  /// OpenBLAS's name of the processor that its kernels are made for.
  package let core: String
  /// Why these kernels were chosen, for the log.
  package fileprivate(set) var reason = ""

  /// The library of this process, or why there is none.
  package static let shared = Result {
    try loaded(
      from: libraryNames, features: ProcessorFeatures.here,
      wanted: ProcessInfo.processInfo.environment[coreVariable])
  }

  /// The library of `shared`, for callers after a failure has been reported.
  static var current: OpenBLAS {
    switch shared {
    case .success(let library): library
    case .failure(let error): preconditionFailure("OpenBLAS: \(error)")
    }
  }

  /// The environment variable by which a user chooses OpenBLAS's kernels.
  package static let coreVariable = "OPENBLAS_CORETYPE"
  private static let libraryNames = ["libopenblas.so.0", "libopenblas.so"]

  /// scale · a · b + beta · c on this thread.
  func multiply(
    _ size: ProductSize, _ a: Panel, _ b: Panel, scale: Float, beta: Float, _ c: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    withUnsafePointer(to: library) {
      ob_sgemm(
        $0, Int32(size.rows), Int32(size.columns), Int32(size.inner), scale, ob_matrix(a), ob_matrix(b), beta,
        c, Int32(stride))
    }
  }
}

extension ob_matrix {
  fileprivate init(_ panel: Panel) {
    self.init(
      elements: panel.elements, stride: Int32(max(1, panel.stride)), is_transposed: panel.isTransposed ? 1 : 0
    )
  }
}

extension OpenBLAS {
  /// Loads the first of the libraries `names` that exists.
  ///
  /// A core that the user wants is taken if it can run and computes correctly. Otherwise it is the best core
  /// for `features` that the build has and that computes correctly. If there is none, it is the library's own
  /// choice.
  /// - Parameter wanted: value of `coreVariable`; nil or empty for none.
  /// - Throws: `Fault` .unavailable.
  package static func loaded(
    from names: [String], features: ProcessorFeatures, wanted: String?
  ) throws -> OpenBLAS {
    let fitting = features.openBLASCores
    if let wanted, !wanted.isEmpty { return try asked(wanted, names, features, fitting) }
    var absent: [String] = []
    var wrong: [String] = []
    for core in fitting + [nil] {
      var library = try opened(names, core: core)
      let isOther = core.map { !library.isCore($0) } ?? false
      if isOther || !library.multipliesRight() {
        if isOther { absent.append(core ?? "") } else { wrong.append(library.core) }
        library.close()
        continue
      }
      library.reason = reason(library.core, isOwnChoice: core == nil, features, absent, wrong)
      return library
    }
    throw Fault(
      .unavailable, "OpenBLAS: a small product is wrong with the kernels \(alternatives(wrong))",
      hint: "install another build of libopenblas0, or set \(coreVariable) to kernels that compute right")
  }

  private static func asked(
    _ core: String, _ names: [String], _ features: ProcessorFeatures, _ fitting: [String]
  ) throws -> OpenBLAS {
    if let missing = features.missing(forOpenBLAS: core) {
      throw Fault(
        .unavailable,
        "\(coreVariable)=\(core): these kernels need \(missing), which this processor does not have",
        hint: "unset it: kernels that fit the processor are taken then")
    }
    var library = try opened(names, core: core)
    guard library.multipliesRight() else {
      let name = library.name
      library.close()
      throw Fault(
        .unavailable, "\(coreVariable)=\(core): \(name) gets a small product wrong",
        hint: "unset it: kernels that compute right are taken then")
    }
    let other = fitting.first.flatMap { library.isCore($0) ? nil : "; \($0) would fit this processor" } ?? ""
    library.reason =
      library.isCore(core)
      ? "OpenBLAS kernels: \(library.core), as \(coreVariable) asks\(other)"
      : "OpenBLAS kernels: \(library.core); this build has none for \(coreVariable)=\(core)\(other)"
    return library
  }

  private static func reason(
    _ core: String, isOwnChoice: Bool, _ features: ProcessorFeatures, _ absent: [String], _ wrong: [String]
  ) -> String {
    let why = isOwnChoice ? "the library's own choice" : "for a processor with \(features.text)"
    let without = absent.isEmpty ? "" : "; this build has none for \(alternatives(absent))"
    let unfit = wrong.isEmpty ? "" : "; a small product is wrong with \(alternatives(wrong))"
    return "OpenBLAS kernels: \(core), \(why)\(without)\(unfit)"
  }

  private static func alternatives(_ words: [String]) -> String { words.joined(separator: ", ") }

  private static func opened(_ names: [String], core: String?) throws -> OpenBLAS {
    var problems: [String] = []
    for name in names {
      var library = ob_library()
      guard let problem = ob_open(name, core, &library) else { return OpenBLAS(library) }
      problems.append(String(cString: problem))
    }
    throw Fault(
      .unavailable, "OpenBLAS: \(problems.first ?? "no library to look for")",
      hint: "on Debian: apt install libopenblas0")
  }

  private init(_ library: ob_library) {
    self.library = library
    core = String(cString: library.core)
    let version = String(cString: library.build).split(separator: " ").prefix(2).joined(separator: " ")
    name = "\(version) (\(core))"
  }

  private mutating func close() { ob_close(&library) }

  private func isCore(_ name: String) -> Bool { core.lowercased() == name.lowercased() }
}

extension OpenBLAS {
  /// Whether products of all forms agree with sums in float64, within the bound that any order of summation
  /// keeps. It checks a small size, for which some builds have kernels of their own, and a size that is cut
  /// into blocks with edges.
  package func multipliesRight() -> Bool {
    [ProductSize(rows: 37, columns: 29, inner: 53), ProductSize(rows: 131, columns: 109, inner: 83)]
      .allSatisfy {
        size in [false, true].allSatisfy { a in [false, true].allSatisfy { isRight(size, a, $0) } }
      }
  }

  private func isRight(_ size: ProductSize, _ transposedA: Bool, _ transposedB: Bool) -> Bool {
    let a = TestMatrix(size.rows, size.inner, isTransposed: transposedA, seed: 1)
    let b = TestMatrix(size.inner, size.columns, isTransposed: transposedB, seed: 2)
    let start = TestMatrix(size.rows, size.columns, isTransposed: false, seed: 3)
    var c = start.elements
    c.withUnsafeMutableBufferPointer { c in
      guard let first = c.baseAddress else { return }
      a.withPanel { a in
        b.withPanel { multiply(size, a, $0, scale: 0.5, beta: 1, first, stride: size.columns) }
      }
    }
    // Every seventh element. No size is a multiple of 7, so all rows and columns are among them.
    return stride(from: 0, to: c.count, by: 7).allSatisfy { place in
      let (row, column) = (place / size.columns, place % size.columns)
      var (sum, sizes) = (Double(start.elements[place]), Double(abs(start.elements[place])))
      for inner in 0..<size.inner {
        let product = 0.5 * Double(a[row, inner]) * Double(b[inner, column])
        sum += product
        sizes += abs(product)
      }
      // `<=` and not the opposite of `>`: a NaN is wrong too.
      return abs(Double(c[place]) - sum) <= Double(size.inner + 3) * sizes * Double(Float.ulpOfOne) / 2
    }
  }
}

/// A matrix of numbers between -1 and 1, for the check of a product.
private struct TestMatrix {
  let elements: [Float]
  private let isTransposed: Bool
  private let stride: Int

  init(_ rows: Int, _ columns: Int, isTransposed: Bool, seed: UInt64) {
    let key = RandomKey(seed: seed, stream: 0)
    elements = (0..<rows * columns).map { 2 * key.uniform(at: UInt64($0)) - 1 }
    self.isTransposed = isTransposed
    stride = isTransposed ? rows : columns
  }

  subscript(row: Int, column: Int) -> Float {
    isTransposed ? elements[column * stride + row] : elements[row * stride + column]
  }

  func withPanel(_ body: (Panel) -> Void) {
    elements.withUnsafeBufferPointer { buffer in
      guard let first = buffer.baseAddress else { return }
      body(Panel(elements: first, stride: stride, isTransposed: isTransposed))
    }
  }
}
