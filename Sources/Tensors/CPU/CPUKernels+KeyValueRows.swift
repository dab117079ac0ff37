extension CPUKernels {
  /// See `Kernels.copy`. One thread does it: the rows are few, and memory bounds the copy.
  package func copy(_ x: Tensor, toRows indices: Tensor, of target: Tensor) {
    Requirements.copy(x, toRows: indices, of: target)
    let rowBytes = x.rowLength * x.dtype.byteCount
    for (row, index) in indices.ints.enumerated() {
      precondition(index >= 0 && index < target.rowCount, "copy: row \(index) of \(target.shape)")
      (target.bytes + Int(index) * rowBytes).copyMemory(from: x.bytes + row * rowBytes, byteCount: rowBytes)
    }
  }
}
