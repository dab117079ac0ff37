import CCUDA

/// A matrix in device memory, row-major.
package struct DeviceMatrix: Sendable {
  /// Address of the first element.
  package var address: UInt64
  /// Sizes as stored.
  package var rowCount: Int, columnCount: Int
  /// Elements from the start of one row to the start of the next: `columnCount` when rows lie end to end.
  package var rowStride: Int
  /// float32 or bfloat16.
  package var type: DeviceNumber
  /// Whether the matrix enters the product transposed.
  package var isTransposed: Bool

  /// A matrix at `address`. By default its rows lie end to end, and it is not transposed.
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

  /// cuBLASLt's number for this type (cudaDataType).
  var code: Int32 { Int32(self == .float32 ? CC_TYPE_FLOAT32 : CC_TYPE_BFLOAT16) }
}
