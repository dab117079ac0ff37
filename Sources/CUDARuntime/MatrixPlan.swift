import CCUDA

/// cuBLASLt's description of a product, and the algorithms that it offers. The best by its own estimate is
/// first.
final class MatrixPlan {
  let description: UnsafeMutableRawPointer
  let layoutA: UnsafeMutableRawPointer, layoutB: UnsafeMutableRawPointer, layoutC: UnsafeMutableRawPointer
  let adds: Bool
  let choices: [cc_matmul_choice]
  /// Index of the algorithm in use, and whether it was measured.
  var chosen = 0
  var isTimed = false
  private let parts: Parts

  /// nil when the library offers no algorithm.
  init?(
    _ key: MatrixPlanKey, _ library: CUDAMatmul, _ handle: UnsafeMutableRawPointer, count: Int
  ) throws(CUDAError) {
    let parts = Parts(library)
    description = try parts.description(transposeA: key.isTransposedB, transposeB: key.isTransposedA)
    layoutA = try parts.layout(
      key.typeA, key.isTransposedA ? (key.inner, key.rows) : (key.rows, key.inner), stride: key.strideA)
    layoutB = try parts.layout(
      key.typeB, key.isTransposedB ? (key.columns, key.inner) : (key.inner, key.columns), stride: key.strideB)
    layoutC = try parts.layout(key.typeC, (key.rows, key.columns), stride: key.strideC)
    let preference = try parts.preference(key)
    var offered = [cc_matmul_choice](repeating: cc_matmul_choice(), count: count)
    var found: Int32 = 0
    let status = library.call.pointee.cublasLtMatmulAlgoGetHeuristic(
      handle, description, layoutB, layoutA, layoutC, layoutC, preference, Int32(count), &offered, &found)
    choices = offered.prefix(Int(status == 0 ? found : 0)).filter { $0.state == 0 }
    adds = key.adds
    self.parts = parts
    if choices.isEmpty { return nil }
  }
}

/// The library's objects of one plan, which end with this object.
private final class Parts {
  private let library: CUDAMatmul
  private var descriptions: [UnsafeMutableRawPointer] = []
  private var layouts: [UnsafeMutableRawPointer] = []
  private var preferences: [UnsafeMutableRawPointer] = []

  init(_ library: CUDAMatmul) { self.library = library }

  deinit {
    for object in descriptions { _ = library.call.pointee.cublasLtMatmulDescDestroy(object) }
    for object in layouts { _ = library.call.pointee.cublasLtMatrixLayoutDestroy(object) }
    for object in preferences { _ = library.call.pointee.cublasLtMatmulPreferenceDestroy(object) }
  }

  /// Transpositions of A and B in cuBLASLt's order: A is the second factor of the row-major product, B the
  /// first.
  func description(transposeA: Bool, transposeB: Bool) throws(CUDAError) -> UnsafeMutableRawPointer {
    let call = library.call.pointee
    let description = try made("cublasLtMatmulDescCreate") {
      call.cublasLtMatmulDescCreate(&$0, Int32(CC_COMPUTE_FLOAT32), Int32(CC_TYPE_FLOAT32))
    }
    descriptions.append(description)
    for (attribute, isTransposed) in [
      (CC_DESCRIPTION_TRANSPOSE_A, transposeA), (CC_DESCRIPTION_TRANSPOSE_B, transposeB),
    ] {
      var operation = Int32(isTransposed ? CC_TRANSPOSED : CC_STORED)
      try library.check(
        call.cublasLtMatmulDescSetAttribute(description, Int32(attribute), &operation, 4),
        "cublasLtMatmulDescSetAttribute")
    }
    return description
  }

  /// The layout of a row-major matrix. In column-major terms its rows are columns.
  func layout(
    _ type: DeviceNumber, _ shape: (rows: Int, columns: Int), stride: Int
  ) throws(CUDAError) -> UnsafeMutableRawPointer {
    let layout = try made("cublasLtMatrixLayoutCreate") {
      library.call.pointee.cublasLtMatrixLayoutCreate(
        &$0, type.code, UInt64(shape.columns), UInt64(shape.rows), Int64(stride))
    }
    layouts.append(layout)
    return layout
  }

  func preference(_ key: MatrixPlanKey) throws(CUDAError) -> UnsafeMutableRawPointer {
    let call = library.call.pointee
    let preference = try made("cublasLtMatmulPreferenceCreate") {
      call.cublasLtMatmulPreferenceCreate(&$0)
    }
    preferences.append(preference)
    func set<Value>(_ attribute: Int, _ value: Value) throws(CUDAError) {
      let code = withUnsafeBytes(of: value) { bytes in
        bytes.baseAddress.map {
          call.cublasLtMatmulPreferenceSetAttribute(preference, Int32(attribute), $0, bytes.count)
        }
      }
      try library.check(code ?? 1, "cublasLtMatmulPreferenceSetAttribute")
    }
    try set(CC_PREFERENCE_WORKSPACE_BYTES, CUDAMatrixProduct.workspaceByteCount)
    try set(CC_PREFERENCE_REDUCTIONS, UInt32(CC_REDUCTION_IN_COMPUTE_TYPE))
    try set(CC_PREFERENCE_ALIGNMENT_A, UInt32(key.alignmentB))
    try set(CC_PREFERENCE_ALIGNMENT_B, UInt32(key.alignmentA))
    try set(CC_PREFERENCE_ALIGNMENT_C, UInt32(key.alignmentC))
    try set(CC_PREFERENCE_ALIGNMENT_D, UInt32(key.alignmentC))
    return preference
  }

  private func made(
    _ name: String, _ create: (inout UnsafeMutableRawPointer?) -> Int32
  ) throws(CUDAError) -> UnsafeMutableRawPointer {
    var object: UnsafeMutableRawPointer?
    try library.check(create(&object), name)
    guard let object else { throw library.error(1, name) }
    return object
  }
}
