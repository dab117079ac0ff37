import CKernels

extension Tensor {
  /// A host tensor in another dtype, rounded once by the calling thread; the tensor itself if it has that
  /// dtype.
  package func converted(to dtype: DType) -> Tensor {
    if self.dtype == dtype { return self }
    let result = Tensor(uninitialized: shape, dtype)
    withExtendedLifetime(storage) {
      ck_convert(bytes, self.dtype.elementType, 1, result.bytes, dtype.elementType, count)
    }
    return result
  }
}
