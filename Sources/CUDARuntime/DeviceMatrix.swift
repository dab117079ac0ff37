import CCUDA

/// A matrix in device memory, row-major.
package struct DeviceMatrix: Sendable {
  /// First element.
  package var address: UInt64
  /// As stored.
  package var rowCount: Int, columnCount: Int
  /// Elements from the first of one row to that of the next: `columnCount` where rows lie end to end.
  package var rowStride: Int
  /// float32 or bfloat16.
  package var type: DeviceNumber
  /// Whether it enters the product transposed.
  package var isTransposed: Bool

  /// All of it.
  package init(
    _ address: UInt64, rows: Int, columns: Int, _ type: DeviceNumber, isTransposed: Bool = false,
    rowStride: Int? = nil
  ) {
    let rowStride = rowStride ?? columns
    precondition(rowStride >= columns, "DeviceMatrix: rows of \(columns) at steps of \(rowStride)")
    self.address = address
    rowCount = rows
    columnCount = columns
    self.rowStride = rowStride
    self.type = type
    self.isTransposed = isTransposed
  }
}

/// Number types of matrix products.
package enum DeviceNumber: Sendable, Hashable {
  case float32, bfloat16

  /// cudaDataType.
  var code: Int32 { Int32(self == .float32 ? CC_TYPE_FLOAT32 : CC_TYPE_BFLOAT16) }
}
