import CUDARuntime

// Row numbers are in device memory and are not looked at here: the tokenizer and the batcher answer for them.
extension CUDAKernels {
  package func embeddingForward(_ ids: Tensor, _ table: Tensor, scale: Float) -> Tensor {
    Requirements.embeddingForward(table)
    let y = uninitialized([ids.count, table.rowLength], table.dtype)
    modules.launch(
      "embedding_forward_\(suffix(table.dtype))", grid: LaunchExtent(ids.count), block: 256,
      ids.deviceAddress, table.deviceAddress, y.deviceAddress, Int32(ids.count), Int32(table.rowLength), scale
    )
    return y
  }

  package func embeddingBackward(_ dY: Tensor, _ ids: Tensor, scale: Float, into dTable: Tensor) {
    let width = dTable.rowLength
    Requirements.embeddingBackward(dY, ids, into: dTable)
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
    Requirements.scattered(dY, rows: indices)
    let dX = uninitialized([count, dY.rowLength], dY.dtype)
    modules.launch(
      "scatter_rows_\(suffix(dY.dtype))", grid: LaunchExtent(count), block: 256, dY.deviceAddress,
      indices.deviceAddress, dX.deviceAddress, Int32(indices.count), Int32(count), Int32(dY.rowLength))
    return dX
  }

  package func copy(_ x: Tensor, toRows indices: Tensor, of target: Tensor) {
    Requirements.copy(x, toRows: indices, of: target)
    modules.launch(
      "copy_rows_\(suffix(x.dtype))", grid: LaunchExtent(indices.count), block: 256, x.deviceAddress,
      indices.deviceAddress, target.deviceAddress, Int32(indices.count), Int32(x.rowLength))
  }
}
