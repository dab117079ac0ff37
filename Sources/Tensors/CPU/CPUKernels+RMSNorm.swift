import CKernels

extension CPUKernels {
  package func rmsNormForward(_ x: Tensor, _ weight: Tensor, epsilon: Float) -> (y: Tensor, rstd: Tensor) {
    let width = x.rowLength
    Requirements.rmsNormForward(x, weight)
    let y = Tensor(uninitialized: x.shape, x.dtype)
    let rstd = Tensor(uninitialized: [x.rowCount], .float32)
    let gain = gains(weight)
    let rowBytes = width * x.dtype.byteCount
    parallel(over: x.rowCount, grain: max(1, 8192 / max(1, width))) { rows in
      let offset = rows.lowerBound * rowBytes
      ck_rmsnorm_forward(
        x.dtype.elementType, x.bytes + offset, gain.float32, epsilon, rows.count, width, y.bytes + offset,
        rstd.float32 + rows.lowerBound)
    }
    return (y, rstd)
  }

  /// Adds first, then computes the norm of the sum.
  package func addRMSNormForward(_ a: Tensor, _ b: Tensor, _ weight: Tensor, epsilon: Float)
    -> (sum: Tensor, y: Tensor, rstd: Tensor)
  {
    Requirements.addRMSNormForward(a, b, weight)
    let sum = add(a, b)
    let (y, rstd) = rmsNormForward(sum, weight, epsilon: epsilon)
    return (sum, y, rstd)
  }

  /// Rounds the norm's gradient to x's dtype before it adds `dSum`.
  package func rmsNormBackward(
    _ dY: Tensor, _ x: Tensor, _ weight: Tensor, rstd: Tensor, dSum: Tensor?, dWeight: Tensor?
  ) -> Tensor {
    let width = x.rowLength
    Requirements.rmsNormBackward(dY, x, weight, dSum: dSum)
    let dX = Tensor(uninitialized: x.shape, x.dtype)
    let gain = gains(weight)
    let rowBytes = width * x.dtype.byteCount
    let grain = rmsNormRows(width)
    let tiles = (x.rowCount + grain - 1) / grain
    // Each tile's share of the weight's gradient. The shares are added afterwards, in the order of the tiles.
    let shares = dWeight.map { _ in Tensor(zeros: [tiles, width], .float32) }
    parallel(over: x.rowCount, grain: grain) { rows in
      let offset = rows.lowerBound * rowBytes
      ck_rmsnorm_backward(
        x.dtype.elementType, dY.bytes + offset, x.bytes + offset, gain.float32,
        rstd.float32 + rows.lowerBound, rows.count, width, dX.bytes + offset,
        shares.map { $0.float32 + rows.lowerBound / grain * width })
    }
    if let dWeight, let shares {
      for tile in 0..<tiles {
        ck_scale_add(Int32(CK_FLOAT32), shares.float32 + tile * width, 1, dWeight.float32, width)
      }
    }
    return dSum.map { add($0, dX) } ?? dX
  }

  /// 1 + weight in float32: a bfloat16 sum would lose up to eight bits of a small weight.
  private func gains(_ weight: Tensor) -> Tensor {
    let gain = Tensor(uninitialized: weight.shape, .float32)
    ck_rmsnorm_gain(weight.dtype.elementType, weight.bytes, gain.float32, weight.count)
    return gain
  }

  /// Rows of one tile of the weight's gradient: about 32 K elements.
  private func rmsNormRows(_ width: Int) -> Int { max(1, 32768 / max(1, width)) }
}
