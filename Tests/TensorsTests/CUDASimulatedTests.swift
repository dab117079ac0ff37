import CUDARuntime
import Files
import SimulatedGPUTesting
import Tensors
import Testing

/// The CUDA runtime over a simulated GPU that computes: kernels, products and graphs give the right numbers.
@Suite(.enabled(if: SimulatedGPU.library != nil, "libSimulatedGPU.so is not built"))
struct CUDASimulatedTests {
  private let gpu: SimulatedGPU
  private let device: CUDADevice
  private let memory: CUDAMemory
  private let modules: KernelModules
  private let add: CUDAKernel

  init() throws {
    gpu = try SimulatedGPU()
    device = try CUDADevice(gpu.libraries)
    memory = CUDAMemory(device)
    modules = try KernelModules(device, cacheFolder: nil)
    add = try modules.kernel("add_f32")
  }

  private func uploaded<Element: BitwiseCopyable>(_ elements: [Element]) -> CUDALease {
    let lease = CUDALease(memory, elements.count * MemoryLayout<Element>.stride)
    device.upload(elements, to: lease.block.address)
    return lease
  }

  private func add(_ a: CUDALease, _ b: CUDALease, into y: CUDALease, _ count: Int) {
    add.launch(
      grid: .covering(count, block: 256), block: 256, a.block.address, b.block.address,
      y.block.address, Int64(count))
  }

  @Test func kernelComputes() throws {
    let numbers = (0..<1009).map(Float.init)
    let (a, y) = (uploaded(numbers), CUDALease(memory, 4 * 1009))
    add(a, a, into: y, 1009)
    #expect(try device.download(y.block.address, count: 1009) == numbers.map { 2 * $0 })
  }

  @Test func graphComputesEachTimeWithMemoryOfItsOwn() throws {
    let (a, y) = (uploaded([Float](repeating: 1, count: 300)), uploaded([Float](repeating: 0, count: 300)))
    let graph = try CUDAGraph(device, memory) {
      let twice = CUDALease(memory, 1200)
      add(a, a, into: twice, 300)
      add(twice, y, into: y, 300)
    }
    // Memory that others allocate meanwhile is not the graph's.
    let others = (0..<50).map { _ in uploaded([Float](repeating: 7, count: 300)) }
    for _ in 0..<3 { graph.launch() }
    #expect(try device.download(y.block.address, count: 300) == [Float](repeating: 6, count: 300))
    for other in others {
      #expect(try device.download(other.block.address, count: 300) == [Float](repeating: 7, count: 300))
    }
  }

  // MARK: - Matrix products

  /// Types of the factors and of the result.
  private static let types: [(DeviceNumber, DeviceNumber)] = [
    (.float32, .float32), (.bfloat16, .bfloat16), (.bfloat16, .float32),
  ]

  /// Small integers: all their products and sums are exact in bfloat16 too.
  private func element(_ row: Int, _ column: Int) -> Float { Float((row * 7 + column * 3) % 5 - 2) }

  private func stored(
    _ rows: Int, _ columns: Int, _ type: DeviceNumber, isTransposed: Bool, _ value: (Int, Int) -> Float
  ) -> (lease: CUDALease, matrix: DeviceMatrix) {
    let (height, width) = isTransposed ? (columns, rows) : (rows, columns)
    let numbers = (0..<height * width).map { i in
      isTransposed ? value(i % width, i / width) : value(i / width, i % width)
    }
    let lease =
      type == .float32 ? uploaded(numbers) : uploaded(numbers.map { UInt16($0.bitPattern >> 16) })
    return (
      lease, DeviceMatrix(lease.block.address, rows: height, columns: width, type, isTransposed: isTransposed)
    )
  }

  private func downloaded(_ matrix: DeviceMatrix) throws -> [Float] {
    let count = matrix.rowCount * matrix.columnCount
    if matrix.type == .float32 { return try device.download(matrix.address, count: count) }
    let bits = try device.download(matrix.address, count: count, as: UInt16.self)
    return bits.map { Float(bitPattern: UInt32($0) << 16) }
  }

  @Test(arguments: [MatrixProductChoice.heuristic, .timed], [false, true])
  func productsAreRightInAllFormsAndTypes(choice: MatrixProductChoice, isTransposedA: Bool) throws {
    let product = try #require(try CUDAMatrixProduct(device, memory, choice: choice))
    let (rows, columns, inner) = (5, 7, 3)
    for isTransposedB in [false, true] {
      for (type, resultType) in Self.types {
        for addend: Float in [0, 1] {
          let a = stored(rows, inner, type, isTransposed: isTransposedA, element)
          let b = stored(inner, columns, type, isTransposed: isTransposedB, element)
          let c = stored(rows, columns, resultType, isTransposed: false) { Float($0 - $1) }
          #expect(product.multiply(a.matrix, b.matrix, scale: 0.5, addend: addend, c.matrix))
          let expected = (0..<rows * columns).map { i in
            let (row, column) = (i / columns, i % columns)
            let sum = (0..<inner).reduce(Float(0)) { $0 + element(row, $1) * element($1, column) }
            return 0.5 * sum + addend * Float(row - column)
          }
          #expect(try downloaded(c.matrix) == expected, "\(isTransposedB) \(type) \(resultType) \(addend)")
        }
      }
    }
  }

  /// Every second row of a, written to every second row of c. The rows between stay as they are.
  @Test(arguments: [MatrixProductChoice.heuristic, .timed], [false, true])
  func rowsOfProductsMayLieApart(choice: MatrixProductChoice, isTransposed: Bool) throws {
    let product = try #require(try CUDAMatrixProduct(device, memory, choice: choice))
    let (rows, inner, columns) = (isTransposed ? 3 : 4, isTransposed ? 4 : 3, 5)
    let whole = stored(8, 3, .bfloat16, isTransposed: false, element)
    let b = stored(inner, columns, .bfloat16, isTransposed: false) { element($0 + 1, $1) }
    let c = stored(2 * rows, columns, .float32, isTransposed: false) { _, _ in 9 }
    let a = DeviceMatrix(
      whole.matrix.address, rows: 4, columns: 3, .bfloat16, isTransposed: isTransposed, rowStride: 6)
    let target = DeviceMatrix(
      c.matrix.address, rows: rows, columns: columns, .float32, rowStride: 2 * columns)
    #expect(product.multiply(a, b.matrix, scale: 1, addend: 0, target))
    let expected = (0..<2 * rows * columns).map { i -> Float in
      let (row, column) = (i / columns, i % columns)
      if row % 2 == 1 { return 9 }
      return (0..<inner).reduce(Float(0)) { sum, k in
        sum + (isTransposed ? element(2 * k, row / 2) : element(row, k)) * element(k + 1, column)
      }
    }
    #expect(try downloaded(c.matrix) == expected)
  }

  @Test func emptyProductQueuesNothing() throws {
    let product = try #require(try CUDAMatrixProduct(device, memory))
    let empty = DeviceMatrix(512, rows: 0, columns: 4, .float32)
    let b = DeviceMatrix(512, rows: 4, columns: 3, .float32)
    #expect(product.multiply(empty, b, scale: 1, addend: 0, DeviceMatrix(512, rows: 0, columns: 3, .float32)))
    try device.synchronize()
  }

  // MARK: - Failures

  @Test func deviceLostWithinAKernelIsThrownByTheDownload() throws {
    let a = uploaded([Float](repeating: 1, count: 8))
    gpu.lose(719)
    add(a, a, into: a, 8)
    let error = #expect(throws: CUDAError.self) {
      try device.download(a.block.address, count: 8, as: Float.self)
    }
    #expect(error?.kind == .deviceLost && error?.fault.kind == .unavailable)
  }

  @Test func memoryOfALargerModelIsMissedInNumbers() throws {
    let gpu = try SimulatedGPU()
    gpu.setMemory(100 << 20)
    let memory = CUDAMemory(try CUDADevice(gpu.libraries))
    let block = try memory.allocate(60 << 20)
    let error = #expect(throws: CUDAError.self) { try memory.allocate(60 << 20) }
    #expect(error?.shortage?.wanted == 60 << 20 && error?.shortage?.inUse == 60 << 20)
    #expect(error?.shortage?.total == 100 << 20)
    withExtendedLifetime(block) {}
  }
}
