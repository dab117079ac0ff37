import CKernels

extension CPUKernels {
  package func gegluForward(_ gate: Tensor, _ up: Tensor) -> Tensor {
    Requirements.gegluForward(gate, up)
    let output = Tensor(uninitialized: gate.shape, gate.dtype)
    let size = gate.dtype.byteCount
    parallel(over: gate.count, grain: 8192) { elements in
      let offset = elements.lowerBound * size
      ck_geglu_forward(
        gate.dtype.elementType, gate.bytes + offset, up.bytes + offset, output.bytes + offset, elements.count)
    }
    return output
  }

  package func gegluBackward(_ dY: Tensor, _ gate: Tensor, _ up: Tensor) -> (dGate: Tensor, dUp: Tensor) {
    Requirements.gegluBackward(dY, gate, up)
    let dGate = Tensor(uninitialized: gate.shape, gate.dtype)
    let dUp = Tensor(uninitialized: gate.shape, gate.dtype)
    let size = gate.dtype.byteCount
    parallel(over: gate.count, grain: 8192) { elements in
      let offset = elements.lowerBound * size
      ck_geglu_backward(
        gate.dtype.elementType, dY.bytes + offset, gate.bytes + offset, up.bytes + offset,
        dGate.bytes + offset, dUp.bytes + offset, elements.count)
    }
    return (dGate, dUp)
  }
}
