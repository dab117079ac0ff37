import CUDARuntime

// Row numbers are in device memory and are not checked here: the tokenizer and the batcher make them valid.
extension CUDAKernels {
  package func embeddingForward(_ ids: Tensor, _ table: Tensor, scale: Float) -> Tensor {
    Requirements.embeddingForward(table)
    let y = uninitialized([ids.count, table.rowLength], table.dtype)
    kernels.embeddingForward[table.dtype].launch(
      grid: LaunchExtent(ids.count),
      ids.deviceAddress, table.deviceAddress, y.deviceAddress, Int32(ids.count), Int32(table.rowLength), scale
    )
    return y
  }

  package func embeddingBackward(_ dY: Tensor, _ ids: Tensor, scale: Float, into dTable: Tensor) {
    let width = dTable.rowLength
    Requirements.embeddingBackward(dY, ids, into: dTable)
    kernels.embeddingBackward[dY.dtype].launch(
      grid: LaunchExtent(ids.count), dY.deviceAddress,
      ids.deviceAddress, scale, dTable.deviceAddress, Int32(ids.count), Int32(width))
  }

  package func gathered(_ x: Tensor, rows indices: Tensor) -> Tensor {
    let y = uninitialized([indices.count, x.rowLength], x.dtype)
    kernels.gatherRows[x.dtype].launch(
      grid: LaunchExtent(indices.count), x.deviceAddress,
      indices.deviceAddress, y.deviceAddress, Int32(indices.count), Int32(x.rowLength))
    return y
  }

  package func scattered(_ dY: Tensor, rows indices: Tensor, count: Int) -> Tensor {
    Requirements.scattered(dY, rows: indices)
    let dX = uninitialized([count, dY.rowLength], dY.dtype)
    kernels.scatterRows[dY.dtype].launch(
      grid: LaunchExtent(count), dY.deviceAddress,
      indices.deviceAddress, dX.deviceAddress, Int32(indices.count), Int32(count), Int32(dY.rowLength))
    return dX
  }

  package func copy(_ x: Tensor, toRows indices: Tensor, of target: Tensor) {
    Requirements.copy(x, toRows: indices, of: target)
    kernels.copyRows[x.dtype].launch(
      grid: LaunchExtent(indices.count), x.deviceAddress,
      indices.deviceAddress, target.deviceAddress, Int32(indices.count), Int32(x.rowLength))
  }
}
