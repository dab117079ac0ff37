import CKernels

extension CPUKernels {
  /// a + b in float32, rounded once to their dtype.
  package func add(_ a: Tensor, _ b: Tensor) -> Tensor {
    Requirements.add(a, b)
    let sum = Tensor(uninitialized: a.shape, a.dtype)
    let type = a.dtype.elementType
    parallel(over: a.count, grain: Self.elementGrain) { range in
      let offset = range.lowerBound * a.dtype.byteCount
      ck_add(type, a.bytes + offset, b.bytes + offset, sum.bytes + offset, range.count)
    }
    return sum
  }

  /// Adds x to `sum` (float32) in place.
  package func accumulate(_ x: Tensor, into sum: Tensor) {
    Requirements.accumulate(x, into: sum)
    let type = x.dtype.elementType
    parallel(over: x.count, grain: Self.elementGrain) { range in
      ck_accumulate(
        type, x.bytes + range.lowerBound * x.dtype.byteCount, sum.float32 + range.lowerBound, range.count)
    }
  }

  /// scale · x, rounded once to `dtype`.
  package func converted(_ x: Tensor, to dtype: DType, scale: Float) -> Tensor {
    let result = Tensor(uninitialized: x.shape, dtype)
    let (from, to) = (x.dtype.elementType, dtype.elementType)
    parallel(over: x.count, grain: Self.elementGrain) { range in
      ck_convert(
        x.bytes + range.lowerBound * x.dtype.byteCount, from, scale,
        result.bytes + range.lowerBound * dtype.byteCount, to, range.count)
    }
    return result
  }

  /// Elements of one tile of an element-wise loop: enough work to outweigh starting a worker.
  static var elementGrain: Int { 1 << 14 }
}
