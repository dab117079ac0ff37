import CCUDA

extension CUDADevice {
  /// Queues a copy from host memory, which may change after this returns. Up to 128 KiB go through pinned
  /// memory, without waiting. The driver copies more than that in its way for memory that is not page-locked.
  package func upload(_ bytes: UnsafeRawBufferPointer, to address: UInt64) {
    precondition(!isCapturing, "CUDADevice.upload: within the capture of a graph")
    guard failure == nil, let source = bytes.baseAddress, !bytes.isEmpty else { return }
    guard bytes.count <= StagingRing.largestCopy else {
      queueUpload(source, bytes.count, address)
      return
    }
    do throws(CUDAError) {
      let room = try stagingRoom(bytes.count)
      room.copyMemory(from: source, byteCount: bytes.count)
      queueUpload(room, bytes.count, address)
    } catch {
      record(error)
    }
  }

  /// Queues a copy of an array's elements.
  package func upload<Element: BitwiseCopyable>(_ elements: [Element], to address: UInt64) {
    elements.withUnsafeBytes { upload($0, to: address) }
  }

  /// Copies to host memory. Waits for all work queued before.
  /// - Throws: the first failure of queued work.
  package func download(
    _ address: UInt64, into bytes: UnsafeMutableRawBufferPointer
  ) throws(CUDAError) {
    precondition(!isCapturing, "CUDADevice.download: within the capture of a graph")
    if let target = bytes.baseAddress, !bytes.isEmpty {
      attempt("cuMemcpyDtoHAsync") {
        driver.call.pointee.cuMemcpyDtoHAsync(target, address, bytes.count, stream)
      }
    }
    try synchronize()
  }

  /// Copies `count` elements to the host. Waits for all work queued before.
  /// - Throws: the first failure of queued work.
  package func download<Element: BitwiseCopyable>(
    _ address: UInt64, count: Int, as _: Element.Type = Element.self
  ) throws(CUDAError) -> [Element] {
    var failed: CUDAError?
    let elements = [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
      do throws(CUDAError) {
        try download(address, into: UnsafeMutableRawBufferPointer(buffer))
        initialized = count
      } catch {
        failed = error
      }
    }
    if let failed { throw failed }
    return elements
  }

  /// Queues a copy to pinned host memory. Reading it later does not stop the stream.
  package func beginDownload(_ address: UInt64, byteCount: Int) -> PendingDownload {
    precondition(!isCapturing, "CUDADevice.beginDownload: within the capture of a graph")
    do throws(CUDAError) {
      try throwFailure()
      let buffer = try pinned.buffer(byteCount)
      let done = try StreamEvent(driver, isTimed: false)
      attempt("cuMemcpyDtoHAsync") {
        driver.call.pointee.cuMemcpyDtoHAsync(buffer, address, byteCount, stream)
      }
      attempt("cuEventRecord") { done.record(stream) }
      return PendingDownload(self, byteCount, buffer, done)
    } catch {
      record(error)
      return PendingDownload(self, byteCount, nil, nil)
    }
  }

  /// Queues a copy within device memory. The ranges must not overlap.
  package func copy(from source: UInt64, to target: UInt64, byteCount: Int) {
    guard byteCount > 0 else { return }
    attempt("cuMemcpyDtoDAsync") {
      driver.call.pointee.cuMemcpyDtoDAsync(target, source, byteCount, stream)
    }
  }

  /// Fills `byteCount` bytes with one value, queued.
  package func fill(_ address: UInt64, byteCount: Int, with value: UInt8 = 0) {
    guard byteCount > 0 else { return }
    attempt("cuMemsetD8Async") {
      driver.call.pointee.cuMemsetD8Async(address, value, byteCount, stream)
    }
  }

  /// Fills `count` words of 32 bits with one value, queued. The address must be a multiple of 4.
  package func fill(_ address: UInt64, words count: Int, with value: UInt32) {
    guard count > 0 else { return }
    attempt("cuMemsetD32Async") {
      driver.call.pointee.cuMemsetD32Async(address, value, count, stream)
    }
  }

  private func queueUpload(_ source: UnsafeRawPointer, _ byteCount: Int, _ address: UInt64) {
    attempt("cuMemcpyHtoDAsync") {
      driver.call.pointee.cuMemcpyHtoDAsync(address, source, byteCount, stream)
    }
  }
}
