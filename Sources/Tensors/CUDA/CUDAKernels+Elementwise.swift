import CUDARuntime

extension CUDAKernels {
  package func add(_ a: Tensor, _ b: Tensor) -> Tensor {
    Requirements.add(a, b)
    let y = uninitialized(a.shape, a.dtype)
    kernels.add[a.dtype].launch(
      grid: elementBlocks(a.count), a.deviceAddress, b.deviceAddress,
      y.deviceAddress, Int64(a.count))
    return y
  }

  package func accumulate(_ x: Tensor, into sum: Tensor) {
    Requirements.accumulate(x, into: sum)
    kernels.accumulate[x.dtype].launch(
      grid: elementBlocks(x.count), x.deviceAddress,
      sum.deviceAddress, Int64(x.count))
  }

  package func converted(_ x: Tensor, to dtype: DType, scale: Float) -> Tensor {
    let y = uninitialized(x.shape, dtype)
    kernels.convert(to: dtype)[x.dtype].launch(
      grid: elementBlocks(x.count),
      x.deviceAddress, y.deviceAddress, scale, Int64(x.count))
    return y
  }

  package func dropped(_ x: Tensor, probability: Float, key: RandomKey) -> Tensor {
    Requirements.dropped(probability: probability)
    let y = uninitialized(x.shape, x.dtype)
    kernels.dropout[x.dtype].launch(
      grid: elementBlocks(x.count), x.deviceAddress,
      y.deviceAddress, probability, key.word, Int64(x.count))
    return y
  }

  package func gegluForward(_ gate: Tensor, _ up: Tensor) -> Tensor {
    Requirements.gegluForward(gate, up)
    let y = uninitialized(gate.shape, gate.dtype)
    kernels.gegluForward[gate.dtype].launch(
      grid: elementBlocks(gate.count), gate.deviceAddress,
      up.deviceAddress, y.deviceAddress, Int64(gate.count))
    return y
  }

  package func gegluBackward(_ dY: Tensor, _ gate: Tensor, _ up: Tensor) -> (dGate: Tensor, dUp: Tensor) {
    Requirements.gegluBackward(dY, gate, up)
    let (dGate, dUp) = (uninitialized(gate.shape, gate.dtype), uninitialized(gate.shape, gate.dtype))
    kernels.gegluBackward[gate.dtype].launch(
      grid: elementBlocks(gate.count), dY.deviceAddress,
      gate.deviceAddress, up.deviceAddress, dGate.deviceAddress, dUp.deviceAddress, Int64(gate.count))
    return (dGate, dUp)
  }
}
