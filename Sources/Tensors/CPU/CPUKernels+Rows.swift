import CKernels

extension CPUKernels {
  package func gathered(_ x: Tensor, rows: Tensor) -> Tensor {
    let width = x.rowLength
    let output = Tensor(uninitialized: [rows.count, width], x.dtype)
    let indices = checkedRows(rows, below: x.rowCount, "gathered")
    let rowBytes = width * x.dtype.byteCount
    for row in 0..<rows.count {
      let source = x.bytes + Int(indices[row]) * rowBytes
      (output.bytes + row * rowBytes).copyMemory(from: source, byteCount: rowBytes)
    }
    return output
  }

  package func scattered(_ dY: Tensor, rows: Tensor, count: Int) -> Tensor {
    let width = dY.rowLength
    Requirements.scattered(dY, rows: rows)
    let output = Tensor(zeros: [count, width], dY.dtype)
    let indices = checkedRows(rows, below: count, "scattered")
    let rowBytes = width * dY.dtype.byteCount
    for row in 0..<rows.count {
      let target = output.bytes + Int(indices[row]) * rowBytes
      ck_add(dY.dtype.elementType, target, dY.bytes + row * rowBytes, target, width)
    }
    return output
  }
}
