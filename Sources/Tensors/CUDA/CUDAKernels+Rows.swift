// Row numbers are in device memory and are not looked at here: the tokenizer and the batcher answer for them.
extension CUDAKernels {
  package func embeddingForward(_ ids: Tensor, _ table: Tensor, scale: Float) -> Tensor {
    precondition(table.shape.count == 2, "embeddingForward: table \(table.shape), expected [V, D]")
    let y = uninitialized([ids.count, table.rowLength], table.dtype)
    modules.launch(
      "embedding_forward_\(suffix(table.dtype))", grid: LaunchExtent(ids.count), block: 256,
      ids.deviceAddress, table.deviceAddress, y.deviceAddress, Int32(ids.count), Int32(table.rowLength), scale
    )
    return y
  }

  package func embeddingBackward(_ dY: Tensor, _ ids: Tensor, scale: Float, into dTable: Tensor) {
    let width = dTable.rowLength
    precondition(
      dTable.shape.count == 2 && dY.shape == [ids.count, width],
      "embeddingBackward: dY \(dY.shape), \(ids.count) ids, dTable \(dTable.shape)")
    modules.launch(
      "embedding_backward_\(suffix(dY.dtype))", grid: LaunchExtent(ids.count), block: 256, dY.deviceAddress,
      ids.deviceAddress, scale, dTable.deviceAddress, Int32(ids.count), Int32(width))
  }

  package func gathered(_ x: Tensor, rows indices: Tensor) -> Tensor {
    let y = uninitialized([indices.count, x.rowLength], x.dtype)
    modules.launch(
      "gather_rows_\(suffix(x.dtype))", grid: LaunchExtent(indices.count), block: 256, x.deviceAddress,
      indices.deviceAddress, y.deviceAddress, Int32(indices.count), Int32(x.rowLength))
    return y
  }

  package func scattered(_ dY: Tensor, rows indices: Tensor, count: Int) -> Tensor {
    precondition(
      dY.rowCount == indices.count, "scattered: rows \(dY.shape), \(indices.count) indices")
    let dX = uninitialized([count, dY.rowLength], dY.dtype)
    modules.launch(
      "scatter_rows_\(suffix(dY.dtype))", grid: LaunchExtent(count), block: 256, dY.deviceAddress,
      indices.deviceAddress, dX.deviceAddress, Int32(indices.count), Int32(count), Int32(dY.rowLength))
    return dX
  }

  package func copy(_ x: Tensor, toRows indices: Tensor, of target: Tensor) {
    precondition(
      x.rowLength == target.rowLength && x.dtype == target.dtype && indices.count == x.rowCount,
      "copy: rows \(x.shape) \(x.dtype) to \(target.shape) \(target.dtype), \(indices.count) indices")
    modules.launch(
      "copy_rows_\(suffix(x.dtype))", grid: LaunchExtent(indices.count), block: 256, x.deviceAddress,
      indices.deviceAddress, target.deviceAddress, Int32(indices.count), Int32(x.rowLength))
  }
}
