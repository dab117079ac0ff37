/// Everything that cuBLASLt's choice of an algorithm depends on.
struct MatrixPlanKey: Hashable {
  var rows: Int, columns: Int, inner: Int
  var strideA: Int, strideB: Int, strideC: Int
  var typeA: DeviceNumber, typeB: DeviceNumber, typeC: DeviceNumber
  var isTransposedA: Bool, isTransposedB: Bool
  var adds: Bool
  /// Largest powers of two, up to 256, that divide the addresses.
  var alignmentA: Int, alignmentB: Int, alignmentC: Int

  init(_ a: DeviceMatrix, _ b: DeviceMatrix, _ c: DeviceMatrix, adds: Bool) {
    rows = a.isTransposed ? a.columnCount : a.rowCount
    inner = a.isTransposed ? a.rowCount : a.columnCount
    columns = b.isTransposed ? b.rowCount : b.columnCount
    let innerB = b.isTransposed ? b.columnCount : b.rowCount
    precondition(
      inner == innerB && c.rowCount == rows && c.columnCount == columns && !c.isTransposed,
      "multiply: [\(rows), \(inner)] · [\(innerB), \(columns)] into [\(c.rowCount), \(c.columnCount)]")
    (strideA, strideB, strideC) = (a.rowStride, b.rowStride, c.rowStride)
    (typeA, typeB, typeC) = (a.type, b.type, c.type)
    (isTransposedA, isTransposedB) = (a.isTransposed, b.isTransposed)
    self.adds = adds
    (alignmentA, alignmentB, alignmentC) = (alignment(a), alignment(b), alignment(c))
  }

  /// Whether cuBLASLt may have this product: it wants one type for both factors, and has bfloat16 results of
  /// bfloat16 factors only. Own kernels also take an empty inner dimension.
  var isSupported: Bool { typeA == typeB && (typeA == .bfloat16 || typeC == .float32) && inner > 0 }
}

private func alignment(_ matrix: DeviceMatrix) -> Int {
  1 << min(8, matrix.address.trailingZeroBitCount)
}
