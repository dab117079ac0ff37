import CKernels

extension CPUKernels {
  package func rotated(_ x: Tensor, positions: Tensor, _ table: RotaryTable, _ direction: Direction) -> Tensor
  {
    Requirements.rotated(x, positions: positions, table)
    let heads = x.rowLength / table.headDim
    let output = Tensor(uninitialized: x.shape, x.dtype)
    let rowBytes = x.rowLength * x.dtype.byteCount
    let half = table.headDim / 2
    parallel(over: x.rowCount, grain: 8) { rows in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: table.headDim) { angles in
        guard let cosines = angles.baseAddress else { return }
        let sines = cosines + half
        for row in rows {
          ck_rotary_angles(
            Float(positions.int32[row]), table.inverseFrequencies, half, direction == .forward ? 1 : -1,
            cosines, sines)
          ck_rotary(
            x.dtype.elementType, x.bytes + row * rowBytes, cosines, sines, heads, half,
            output.bytes + row * rowBytes)
        }
      }
    }
    return output
  }
}
