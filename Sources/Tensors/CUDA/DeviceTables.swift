import CUDARuntime

/// Small tables in device memory that calls need again and again. Each is uploaded once and kept.
final class DeviceTables {
  /// An array on the device.
  final class Table {
    let lease: CUDALease
    var address: UInt64 { lease.block.address }

    init<Element: BitwiseCopyable>(_ elements: [Element], _ device: CUDADevice, _ memory: CUDAMemory) {
      lease = CUDALease(memory, max(1, elements.count * MemoryLayout<Element>.stride))
      device.upload(elements, to: lease.block.address)
    }
  }

  private let device: CUDADevice
  private let memory: CUDAMemory
  private var frequencies: [(key: RotaryTable, table: Table)] = []
  private var segments: [(key: [AttentionSegment], tables: SegmentTables)] = []
  /// Batches whose segments are kept. The layers of one micro-batch share theirs.
  private static let keptSegments = 4

  init(_ device: CUDADevice, _ memory: CUDAMemory) {
    self.device = device
    self.memory = memory
  }

  func made<Element: BitwiseCopyable>(_ elements: [Element]) -> Table { Table(elements, device, memory) }

  /// Inverse frequencies, float32 [H / 2].
  func frequencies(_ rotary: RotaryTable) -> UInt64 {
    if let known = frequencies.first(where: { $0.key == rotary }) { return known.table.address }
    let table = made(rotary.inverseFrequencies)
    frequencies.append((rotary, table))
    return table.address
  }

  /// The segments of a batch, with the tiles that attention makes of them.
  func segments(_ list: [AttentionSegment]) -> SegmentTables {
    if let known = segments.first(where: { $0.key == list }) { return known.tables }
    let tables = SegmentTables(list, self)
    segments.append((list, tables))
    if segments.count > Self.keptSegments { segments.removeFirst() }
    return tables
  }
}
