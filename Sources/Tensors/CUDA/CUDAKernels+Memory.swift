import CUDARuntime

extension CUDAKernels {
  /// Memory of the GPU.
  package var place: Place { .device }

  /// A new tensor in device memory, not initialised.
  package func uninitialized(_ shape: Shape, _ dtype: DType) -> Tensor {
    let byteCount = shape.reduce(1, *) * dtype.byteCount
    let lease = CUDALease(memory, max(1, byteCount))
    return Tensor(
      shape, dtype,
      storage: Storage(deviceAddress: UInt(lease.block.address), byteCount: byteCount, owner: lease))
  }

  /// Makes all elements zero.
  package func clear(_ tensor: Tensor) {
    device.fill(tensor.deviceAddress, byteCount: tensor.byteCount)
  }

  /// A copy in device memory; the tensor itself if it is there already.
  package func placed(_ tensor: Tensor) -> Tensor {
    if tensor.place == .device { return tensor }
    let copy = uninitialized(tensor.shape, tensor.dtype)
    self.copy(tensor, to: copy)
    return copy
  }

  /// A copy in main memory, once all queued work is done; zeros after a failure of the device, which `check`
  /// throws.
  package func onHost(_ tensor: Tensor) -> Tensor {
    if tensor.place == .host { return tensor }
    let copy = Tensor(zeros: tensor.shape, tensor.dtype)
    do throws(CUDAError) {
      try device.download(
        tensor.deviceAddress, into: UnsafeMutableRawBufferPointer(start: copy.bytes, count: tensor.byteCount))
    } catch {
      device.record(error)
    }
    return copy
  }

  /// Queues a copy to main memory. It can be read while later work goes on.
  package func fetch(_ tensor: Tensor) -> FetchedTensor {
    if tensor.place == .host { return FetchedTensor { tensor } }
    let (shape, dtype, device) = (tensor.shape, tensor.dtype, device)
    let pending = device.beginDownload(tensor.deviceAddress, byteCount: tensor.byteCount)
    return FetchedTensor {
      let copy = Tensor(zeros: shape, dtype)
      do throws(CUDAError) {
        let bytes: [UInt8] = try pending.elements()
        bytes.withUnsafeBytes { source in
          source.baseAddress.map { copy.bytes.copyMemory(from: $0, byteCount: source.count) }
        }
      } catch {
        device.record(error)
      }
      return copy
    }
  }

  /// The first failure of a call that could not throw. Later calls were not made.
  package var failure: DeviceFailure? { device.failure.map(DeviceFailure.init) }

  /// The most device memory that was in use, in bytes.
  package var peakMemoryBytes: Int { memory.peakInUse }

  /// Replays work by CUDA graphs.
  package func replays() -> any Replaying { CUDAReplays(self) }

  /// Queues a copy of bytes: within device memory, or between it and main memory.
  package func copy(_ x: Tensor, to target: Tensor) {
    Requirements.copy(x, to: target)
    switch (x.place, target.place) {
    case (.host, .device):
      device.upload(
        UnsafeRawBufferPointer(start: x.bytes, count: x.byteCount), to: target.deviceAddress)
    case (.device, .device):
      device.copy(from: x.deviceAddress, to: target.deviceAddress, byteCount: x.byteCount)
    case (_, .host):
      let source = onHost(x)
      target.bytes.copyMemory(from: source.bytes, byteCount: x.byteCount)
    }
  }
}

extension DeviceFailure {
  /// A failed call of the driver, with the message of `CUDAError`.
  fileprivate init(_ error: CUDAError) {
    let kind: Kind =
      switch error.kind {
      case .outOfMemory: .outOfMemory
      case .deviceLost: .deviceLost
      case .other: .other
      }
    self.init(kind, error.fault)
  }
}
