import CUDARuntime

extension CUDAKernels {
  package func rmsNormForward(_ x: Tensor, _ weight: Tensor, epsilon: Float) -> (y: Tensor, rstd: Tensor) {
    let width = x.rowLength
    Requirements.rmsNormForward(x, weight)
    let y = uninitialized(x.shape, x.dtype)
    let rstd = uninitialized([x.rowCount], .float32)
    kernels.rmsNormForward[x.dtype].launch(
      grid: normBlocks(x), x.deviceAddress,
      weight.deviceAddress, y.deviceAddress, rstd.deviceAddress, Int32(x.rowCount), Int32(width), epsilon)
    return (y, rstd)
  }

  /// One pass over a and b: a block reads the sum again where it has just written it.
  package func addRMSNormForward(_ a: Tensor, _ b: Tensor, _ weight: Tensor, epsilon: Float)
    -> (sum: Tensor, y: Tensor, rstd: Tensor)
  {
    let width = a.rowLength
    Requirements.addRMSNormForward(a, b, weight)
    let (sum, y) = (uninitialized(a.shape, a.dtype), uninitialized(a.shape, a.dtype))
    let rstd = uninitialized([a.rowCount], .float32)
    kernels.addRMSNormForward[a.dtype].launch(
      grid: normBlocks(a), a.deviceAddress,
      b.deviceAddress, weight.deviceAddress, sum.deviceAddress, y.deviceAddress, rstd.deviceAddress,
      Int32(a.rowCount), Int32(width), epsilon)
    return (sum, y, rstd)
  }

  /// The norm's gradient and `dSum` are added in float32 and rounded once.
  package func rmsNormBackward(
    _ dY: Tensor, _ x: Tensor, _ weight: Tensor, rstd: Tensor, dSum: Tensor?, dWeight: Tensor?
  ) -> Tensor {
    let (rows, width) = (x.rowCount, x.rowLength)
    Requirements.rmsNormBackward(dY, x, weight, dSum: dSum)
    let dX = uninitialized(x.shape, x.dtype)
    kernels.rmsNormBackward[x.dtype].launch(
      grid: normBlocks(x), dY.deviceAddress,
      x.deviceAddress, weight.deviceAddress, rstd.deviceAddress, dSum?.deviceAddress ?? 0, dX.deviceAddress,
      Int32(rows), Int32(width))
    if let dWeight, rows > 0 {
      // About 64 rows for each part, and at most 128 parts: enough blocks for a narrow weight too.
      let rowsPerPart = max(64, (rows + 127) / 128)
      let parts = (rows + rowsPerPart - 1) / rowsPerPart
      let partials = uninitialized([parts, width], .float32)
      kernels.rmsNormWeightGradient[x.dtype].launch(
        grid: LaunchExtent((width + 255) / 256, parts), dY.deviceAddress, x.deviceAddress, rstd.deviceAddress,
        partials.deviceAddress,
        Int32(rows), Int32(width), Int32(rowsPerPart))
      kernels.addPartials.launch(
        grid: LaunchExtent((width + 255) / 256), partials.deviceAddress,
        dWeight.deviceAddress, Int32(parts), Int32(width))
    }
    return dX
  }

  /// One block for each long row, or for eight short ones.
  private func normBlocks(_ x: Tensor) -> LaunchExtent {
    LaunchExtent(x.rowLength <= 512 ? (x.rowCount + 7) / 8 : x.rowCount)
  }

  package func rotated(_ x: Tensor, positions: Tensor, _ table: RotaryTable, _ direction: Direction) -> Tensor
  {
    Requirements.rotated(x, positions: positions, table)
    let heads = x.rowLength / table.headDim
    let y = uninitialized(x.shape, x.dtype)
    kernels.rotary[x.dtype].launch(
      grid: LaunchExtent(x.rowCount), headDim: table.headDim,
      x.deviceAddress, positions.deviceAddress, tables.frequencies(table), y.deviceAddress,
      Int32(x.rowCount), Int32(heads), Int32(table.headDim), direction == .forward ? Float(1) : Float(-1))
    return y
  }
}
