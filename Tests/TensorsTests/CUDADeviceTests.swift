import CUDARuntime
import Files
import Tensors
import Testing

/// The device and its graphs, over a driver whose device memory is host memory.
@Suite struct CUDADeviceTests {
  private let stub: CUDAStub
  private let device: CUDADevice
  private let memory: CUDAMemory

  init() throws {
    stub = try CUDAStub()
    device = try CUDADevice(stub.libraries)
    memory = CUDAMemory(device)
  }

  @Test func summaryNamesTheDevice() {
    #expect(
      device.summary == "Stub GPU 0 (sm_90, 132 multiprocessors, 1.07 GB), driver of CUDA 13.0")
  }

  // MARK: - Copies

  @Test func smallUploadComesBack() throws {
    let block = try memory.allocate(12)
    device.upload([Int32(1), 2, 3], to: block.address)
    #expect(try device.download(block.address, count: 3) == [Int32(1), 2, 3])
    #expect(stub.get("cuMemHostAlloc") == 1)
  }

  @Test func largeUploadComesBackWithoutPinnedMemory() throws {
    let numbers = (0..<100_000).map(Float.init)
    let block = try memory.allocate(400_000)
    device.upload(numbers, to: block.address)
    #expect(try device.download(block.address, count: 100_000) == numbers)
    #expect(stub.get("cuMemHostAlloc") == 0)
  }

  /// 100 times 100,000 bytes go through a ring of 1 MiB. Five fit in a half, so the half changes twenty
  /// times. The first change meets a half that was never written.
  @Test func ringWaitsForTheDeviceBeforeItIsWrittenAgain() throws {
    let block = try memory.allocate(100_000)
    for number in 0..<100 {
      device.upload([UInt8](repeating: UInt8(number), count: 100_000), to: block.address)
    }
    #expect(try device.download(block.address, count: 100_000).allSatisfy { $0 == UInt8(99) })
    #expect(stub.get("cuEventRecord") == 19 && stub.get("cuEventSynchronize") == 18)
    #expect(stub.get("cuMemHostAlloc") == 1)
  }

  @Test func fillsAndCopiesReachTheirBytes() throws {
    let (a, b) = (try memory.allocate(8), try memory.allocate(8))
    device.fill(a.address, words: 2, with: 0x0102_0304)
    device.fill(a.address + 4, byteCount: 1, with: 9)
    device.copy(from: a.address, to: b.address, byteCount: 8)
    #expect(try device.download(b.address, count: 8) == [UInt8(4), 3, 2, 1, 9, 3, 2, 1])
  }

  @Test func pendingDownloadIsReadLater() throws {
    let block = try memory.allocate(8)
    device.upload([Float(1.5), 2.5], to: block.address)
    let pending = device.beginDownload(block.address, byteCount: 8)
    device.fill(block.address, byteCount: 8)
    #expect(try pending.elements(as: Float.self) == [1.5, 2.5])
    #expect(stub.get("cuStreamSynchronize") == 0)
  }

  @Test func pinnedMemoryOfAReadDownloadIsUsedAgain() throws {
    let block = try memory.allocate(8)
    for _ in 0..<10 { _ = try device.beginDownload(block.address, byteCount: 8).elements(as: Float.self) }
    #expect(stub.get("cuMemHostAlloc") == 1)
  }

  @Test func elapsedTimeIsTheDrivers() throws {
    let (start, end) = (
      try CUDAEvent(device, isTimed: true), try CUDAEvent(device, isTimed: true)
    )
    start.record()
    end.record()
    #expect(try end.milliseconds(since: start) == 5)
  }

  // MARK: - Failures

  @Test func firstFailureIsThrownByTheNextCallThatWaits() throws {
    let block = try memory.allocate(8)
    stub.failNext("cuMemsetD8Async", 1)
    device.fill(block.address, byteCount: 8)
    let error = #expect(throws: CUDAError.self) { try device.synchronize() }
    #expect(
      error?.fault
        == Fault(.failure, "cuda: cuMemsetD8Async gave CUDA_ERROR_INVALID_VALUE (1), invalid argument"))
  }

  @Test func nothingIsQueuedAfterAFailure() throws {
    let block = try memory.allocate(8)
    stub.failNext("cuMemsetD8Async", 1)
    device.fill(block.address, byteCount: 8)
    device.fill(block.address, byteCount: 8)
    device.upload([UInt8(1)], to: block.address)
    device.copy(from: block.address, to: block.address + 4, byteCount: 4)
    #expect(stub.get("cuMemsetD8Async") == 1)
    #expect(stub.get("cuMemcpyHtoDAsync_v2") == 0 && stub.get("cuMemcpyDtoDAsync_v2") == 0)
    #expect(throws: CUDAError.self) {
      try device.beginDownload(block.address, byteCount: 8).elements(as: UInt8.self)
    }
  }

  @Test func lostDeviceEndsInOneMessageOfStatus69() throws {
    stub.failNext("cuStreamSynchronize", 700)
    let error = #expect(throws: CUDAError.self) { try device.synchronize() }
    #expect(
      error?.fault
        == Fault(
          .unavailable,
          "cuda: the device is lost: cuStreamSynchronize gave CUDA_ERROR_ILLEGAL_ADDRESS (700), "
            + "an illegal memory access was encountered",
          hint: "what was written so far is intact"))
    device.forgetFailure()
    #expect(device.failure?.kind == .deviceLost)
    #expect(throws: CUDAError.self) { try device.synchronize() }
  }

  @Test func missingMemoryStopsTheQueueUntilItIsForgotten() throws {
    let block = memory.block(2 << 30)
    #expect(block.address == 0 && device.failure?.kind == .outOfMemory)
    let error = #expect(throws: CUDAError.self) { try device.synchronize() }
    #expect(
      error?.fault
        == Fault(
          .unavailable,
          "cuda: out of device memory: 2.15 GB more are needed, 0.0 kB are in use, 1.07 GB of 1.07 GB are free"
        ))
    device.forgetFailure()
    try device.synchronize()
    #expect(memory.block(1000).address != 0)
  }

  @Test func firstFailureStays() {
    _ = memory.block(2 << 30)
    _ = memory.block(3 << 30)
    #expect(device.failure?.shortage?.wanted == 2 << 30)
  }

  @Test func contextThatCannotBeMadeIsAFault() throws {
    let stub = try CUDAStub()
    stub.failNext("cuDevicePrimaryCtxRetain", 2)
    #expect(
      throws: Fault(
        .unavailable,
        "cuda: out of device memory: cuDevicePrimaryCtxRetain gave CUDA_ERROR_OUT_OF_MEMORY (2), out of memory"
      )
    ) { try CUDADevice(stub.libraries) }
  }

  @Test func everythingIsGivenBackInTheEnd() throws {
    let stub = try CUDAStub()
    do {
      let device = try CUDADevice(stub.libraries)
      let memory = CUDAMemory(device)
      device.upload([UInt8(1)], to: try memory.allocate(1).address)
    }
    for (made, ended) in [
      ("cuMemAlloc_v2", "cuMemFree_v2"), ("cuMemHostAlloc", "cuMemFreeHost"),
      ("cuStreamCreateWithPriority", "cuStreamDestroy_v2"), ("cuEventCreate", "cuEventDestroy_v2"),
      ("cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2"),
    ] {
      #expect(stub.get(made) == stub.get(ended) && stub.get(made) > 0, "\(made), \(ended)")
    }
    #expect(stub.get("used") == 0)
  }

  // MARK: - Graphs

  @Test func memoryOfAGraphIsLentToNobodyElseWhileItLives() throws {
    let before = try memory.allocate(512)
    var inside: [UInt64] = []
    var graph: CUDAGraph? = try CUDAGraph(device, memory) {
      let block = memory.block(512)
      inside.append(block.address)
      memory.takeBack(block)
      // The capture uses the block again.
      let again = memory.block(512)
      inside.append(again.address)
      memory.takeBack(again)
      memory.takeBack(before)
    }
    #expect(inside[0] == inside[1] && inside[0] != before.address)
    let after = try (0..<3).map { _ in try memory.allocate(512).address }
    #expect(!after.contains(inside[0]) && !after.contains(before.address))
    graph?.launch()
    try device.synchronize()
    graph = nil
    let then = try (0..<4096).map { _ in try memory.allocate(512).address }
    #expect(then.contains(inside[0]) && then.contains(before.address))
    #expect(stub.get("capture mode") == 2 && stub.get("cuGraphLaunch") == 1)
    #expect(stub.get("cuGraphExecDestroy") == 1 && stub.get("cuGraphDestroy") == 1)
  }

  @Test func failureWithinACaptureIsThrownAndLeavesTheStreamUsable() throws {
    stub.failNext("cuMemsetD8Async", 1)
    #expect(throws: CUDAError.self) {
      try CUDAGraph(device, memory) { device.fill(64, byteCount: 1) }
    }
    #expect(stub.get("cuStreamEndCapture") == 1 && stub.get("cuGraphDestroy") == 1)
    device.forgetFailure()
    try device.synchronize()
  }
}
