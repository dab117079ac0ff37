import CUDARuntime

extension CUDAKernels {
  package func add(_ a: Tensor, _ b: Tensor) -> Tensor {
    Requirements.add(a, b)
    let y = uninitialized(a.shape, a.dtype)
    modules.launch(
      "add_\(suffix(a.dtype))", grid: elementBlocks(a.count), block: 256, a.deviceAddress, b.deviceAddress,
      y.deviceAddress, Int64(a.count))
    return y
  }

  package func accumulate(_ x: Tensor, into sum: Tensor) {
    Requirements.accumulate(x, into: sum)
    modules.launch(
      "accumulate_\(suffix(x.dtype))", grid: elementBlocks(x.count), block: 256, x.deviceAddress,
      sum.deviceAddress, Int64(x.count))
  }

  package func converted(_ x: Tensor, to dtype: DType, scale: Float) -> Tensor {
    let y = uninitialized(x.shape, dtype)
    modules.launch(
      "convert_\(suffix(x.dtype))_\(suffix(dtype))", grid: elementBlocks(x.count), block: 256,
      x.deviceAddress, y.deviceAddress, scale, Int64(x.count))
    return y
  }

  package func dropped(_ x: Tensor, probability: Float, key: RandomKey) -> Tensor {
    Requirements.dropped(probability: probability)
    let y = uninitialized(x.shape, x.dtype)
    modules.launch(
      "dropout_\(suffix(x.dtype))", grid: elementBlocks(x.count), block: 256, x.deviceAddress,
      y.deviceAddress, probability, key.word, Int64(x.count))
    return y
  }

  package func gegluForward(_ gate: Tensor, _ up: Tensor) -> Tensor {
    Requirements.gegluForward(gate, up)
    let y = uninitialized(gate.shape, gate.dtype)
    modules.launch(
      "geglu_forward_\(suffix(gate.dtype))", grid: elementBlocks(gate.count), block: 256, gate.deviceAddress,
      up.deviceAddress, y.deviceAddress, Int64(gate.count))
    return y
  }

  package func gegluBackward(_ dY: Tensor, _ gate: Tensor, _ up: Tensor) -> (dGate: Tensor, dUp: Tensor) {
    Requirements.gegluBackward(dY, gate, up)
    let (dGate, dUp) = (uninitialized(gate.shape, gate.dtype), uninitialized(gate.shape, gate.dtype))
    modules.launch(
      "geglu_backward_\(suffix(gate.dtype))", grid: elementBlocks(gate.count), block: 256, dY.deviceAddress,
      gate.deviceAddress, up.deviceAddress, dGate.deviceAddress, dUp.deviceAddress, Int64(gate.count))
    return (dGate, dUp)
  }
}
