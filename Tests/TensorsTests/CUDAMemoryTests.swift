import CUDARuntime
import Tensors
import Testing

/// The allocator, over a device that only counts.
@Suite struct CUDAMemoryTests {
  /// A device of this many bytes. Its segments lie one behind the other and are never lent twice.
  private final class Device {
    var free: Int
    let total: Int
    var segments: [UInt64: Int] = [:]
    var settled = 0
    var recorded: [CUDAError] = []
    private var next: UInt64 = 1 << 20

    init(_ byteCount: Int) { (free, total) = (byteCount, byteCount) }

    var source: CUDAMemory.Source {
      CUDAMemory.Source(
        allocate: { [self] byteCount throws(CUDAError) in
          guard byteCount <= free else {
            throw CUDAError(driver: 2, call: "cuMemAlloc", name: "CUDA_ERROR_OUT_OF_MEMORY", text: "")
          }
          free -= byteCount
          defer { next += UInt64(byteCount) }
          segments[next] = byteCount
          return next
        },
        free: { [self] in free += segments.removeValue(forKey: $0) ?? -1 << 60 },
        settle: { [self] in settled += 1 },
        available: { [self] in (free, total) },
        record: { [self] in recorded.append($0) })
    }
  }

  private let mebibyte = 1 << 20

  @Test func smallBlocksShareASegment() throws {
    let device = Device(100 * mebibyte)
    let memory = CUDAMemory(device.source)
    let (a, b) = (try memory.allocate(1), try memory.allocate(513))
    #expect(device.segments.values.sorted() == [2 * mebibyte])
    #expect(b.address == a.address + 512)
    #expect(memory.inUse == 512 + 1024)
  }

  @Test func blockThatIsGivenBackIsLentAgain() throws {
    let memory = CUDAMemory(Device(100 * mebibyte).source)
    let first = try memory.allocate(5000)
    memory.takeBack(first)
    #expect(try memory.allocate(5000).address == first.address)
  }

  @Test func neighboursAreJoined() throws {
    let device = Device(20 * mebibyte)
    let memory = CUDAMemory(device.source)
    let blocks = try (0..<4).map { _ in try memory.allocate(5 * mebibyte) }
    for index in [1, 3, 0, 2] { memory.takeBack(blocks[index]) }
    #expect(try memory.allocate(20 * mebibyte).address == blocks[0].address)
    #expect(device.segments.count == 1)
  }

  @Test func smallestBlockThatFitsIsTaken() throws {
    let memory = CUDAMemory(Device(100 * mebibyte).source)
    let (large, wall, small) = (
      try memory.allocate(400_000), try memory.allocate(512), try memory.allocate(3000)
    )
    let wall2 = try memory.allocate(512)
    memory.takeBack(large)
    memory.takeBack(small)
    #expect(try memory.allocate(2900).address == small.address)
    withExtendedLifetime((wall, wall2)) {}
  }

  @Test func peakIsTheMostInUse() throws {
    let memory = CUDAMemory(Device(100 * mebibyte).source)
    let blocks = try (0..<3).map { _ in try memory.allocate(1024) }
    blocks.forEach(memory.takeBack)
    #expect(memory.inUse == 0 && memory.peakInUse == 3072)
    memory.resetPeak()
    #expect(memory.peakInUse == 0 && memory.peakReserved == 2 * mebibyte)
  }

  @Test func unusedSegmentsGoBackBeforeAnAllocationFails() throws {
    let device = Device(64 * mebibyte)
    let memory = CUDAMemory(device.source)
    memory.takeBack(try memory.allocate(40 * mebibyte))
    let block = try memory.allocate(50 * mebibyte)
    #expect(device.segments.values.sorted() == [50 * mebibyte] && device.settled == 1)
    #expect(memory.reserved == 50 * mebibyte && memory.peakReserved == 50 * mebibyte)
    withExtendedLifetime(block) {}
  }

  @Test func justEnoughIsTakenWhereTheUsualSegmentDoesNotFit() throws {
    let memory = CUDAMemory(Device(6 * mebibyte).source)
    #expect(try memory.allocate(5 * mebibyte).byteCount == 5 * mebibyte)
  }

  @Test func missingMemoryIsToldInNumbers() throws {
    let memory = CUDAMemory(Device(3_000_000_000).source)
    let block = try memory.allocate(2_000_000_000)
    let error = #expect(throws: CUDAError.self) { try memory.allocate(1_500_000_000) }
    #expect(error?.kind == .outOfMemory)
    #expect(
      error?.fault.message
        == "cuda: out of device memory: 1.50 GB more are needed, 2.00 GB are in use, 999.3 MB of 3.00 GB are free"
    )
    withExtendedLifetime(block) {}
  }

  @Test func limitIsKept() throws {
    let memory = CUDAMemory(Device(1 << 30).source, limit: 20 * mebibyte)
    let block = try memory.allocate(12 * mebibyte)
    let error = #expect(throws: CUDAError.self) { try memory.allocate(12 * mebibyte) }
    #expect(
      error?.description
        == "cuda: out of device memory: 12.6 MB more are needed, 12.6 MB are in use (limit 21.0 MB), "
        + "1.06 GB of 1.07 GB are free")
    withExtendedLifetime(block) {}
  }

  @Test func blockThatCannotBeHadIsRecorded() {
    let device = Device(mebibyte)
    let memory = CUDAMemory(device.source)
    let block = memory.block(4 * mebibyte)
    #expect(block.address == 0 && block.byteCount == 4 * mebibyte)
    #expect(device.recorded.map(\.kind) == [.outOfMemory])
    memory.takeBack(block)
    #expect(memory.inUse == 0)
  }

  @Test func leaseGivesItsBlockBack() {
    let memory = CUDAMemory(Device(100 * mebibyte).source)
    do {
      let lease = CUDALease(memory, 700)
      #expect(memory.inUse == 1024 && lease.block.byteCount == 700)
    }
    #expect(memory.inUse == 0)
  }

  @Test func allSegmentsGoBackInTheEnd() throws {
    let device = Device(100 * mebibyte)
    do {
      let memory = CUDAMemory(device.source)
      for byteCount in [100, 2 * mebibyte, 30 * mebibyte] { memory.takeBack(try memory.allocate(byteCount)) }
      #expect(device.segments.count == 3)
    }
    #expect(device.segments.isEmpty && device.free == device.total)
  }

  /// Through many random requests, blocks in use never overlap, and bytes in use are counted correctly.
  @Test func randomRequestsKeepBlocksApart() throws {
    let device = Device(2000 * mebibyte)
    let memory = CUDAMemory(device.source)
    var live: [CUDABlock] = []
    var state: UInt64 = 7
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for _ in 0..<4000 {
      if live.count > 40 || (!live.isEmpty && random(2) == 0) {
        memory.takeBack(live.remove(at: random(live.count)))
      } else {
        let block = try memory.allocate(random(random(2) == 0 ? 5000 : 8 * mebibyte))
        let end = block.address + UInt64(max(block.byteCount, 1))
        #expect(live.allSatisfy { $0.address + UInt64($0.byteCount) <= block.address || $0.address >= end })
        live.append(block)
      }
      let rounded = live.map { (max($0.byteCount, 1) + 511) / 512 * 512 }.reduce(0, +)
      // A large block may hold up to 1 MiB more than was requested.
      #expect(memory.inUse >= rounded && memory.inUse <= rounded + live.count * mebibyte)
    }
    live.forEach(memory.takeBack)
    memory.releaseUnused()
    #expect(memory.inUse == 0 && memory.reserved == 0 && device.free == device.total)
  }
}
