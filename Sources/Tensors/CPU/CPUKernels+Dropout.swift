import CKernels

extension CPUKernels {
  package func dropped(_ x: Tensor, probability: Float, key: RandomKey) -> Tensor {
    Requirements.dropped(probability: probability)
    let output = Tensor(uninitialized: x.shape, x.dtype)
    let size = x.dtype.byteCount
    parallel(over: x.count, grain: 32768) { elements in
      let offset = elements.lowerBound * size
      ck_dropout(
        x.dtype.elementType, x.bytes + offset, probability, key.word, UInt64(elements.lowerBound),
        output.bytes + offset, elements.count)
    }
    return output
  }
}
