import CKernels

extension CPUKernels {
  package func embeddingForward(_ ids: Tensor, _ table: Tensor, scale: Float) -> Tensor {
    Requirements.embeddingForward(table)
    let width = table.rowLength
    let output = Tensor(uninitialized: [ids.count, width], table.dtype)
    let rowBytes = width * table.dtype.byteCount
    let source = table.bytes
    let target = output.bytes
    let type = table.dtype.elementType
    let indices = checkedRows(ids, below: table.rowCount, "embeddingForward")
    parallel(over: ids.count, grain: 64) { tokens in
      for token in tokens {
        ck_convert(
          source + Int(indices[token]) * rowBytes, type, scale, target + token * rowBytes, type, width)
      }
    }
    return output
  }

  package func embeddingBackward(_ dY: Tensor, _ ids: Tensor, scale: Float, into dTable: Tensor) {
    let width = dTable.rowLength
    Requirements.embeddingBackward(dY, ids, into: dTable)
    let indices = checkedRows(ids, below: dTable.rowCount, "embeddingBackward")
    let source = dY.bytes
    let target = dTable.float32
    let elementBytes = dY.dtype.byteCount
    // Cut by columns: a row of the table that several tokens share is summed in their order, by one worker.
    parallel(over: width, grain: 64) { columns in
      for token in 0..<ids.count {
        ck_scale_add(
          dY.dtype.elementType, source + (token * width + columns.lowerBound) * elementBytes, scale,
          target + Int(indices[token]) * width + columns.lowerBound, columns.count)
      }
    }
  }

  /// The int32 elements of `rows`. Each is checked to lie in 0 ..< `bound`.
  func checkedRows(_ rows: Tensor, below bound: Int, _ operation: String) -> UnsafePointer<Int32> {
    let indices = UnsafePointer(rows.int32)
    for i in 0..<rows.count {
      precondition(
        indices[i] >= 0 && Int(indices[i]) < bound,
        "\(operation): row \(indices[i]) at \(i), of \(bound) rows")
    }
    return indices
  }
}

extension DType {
  /// CKernels' number for this type. Only the two types that are computed with have one.
  var elementType: Int32 {
    switch self {
    case .float32: Int32(CK_FLOAT32)
    case .bfloat16: Int32(CK_BFLOAT16)
    case .int32, .uint8: preconditionFailure("elementType: \(self) is not computed with")
    }
  }
}
