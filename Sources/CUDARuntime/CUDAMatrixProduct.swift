import CCUDA

/// How an algorithm is chosen among those that cuBLASLt offers for a shape.
package enum MatrixProductChoice: Sendable {
  /// cuBLASLt's own first choice, which is the same in every run.
  case heuristic
  /// The fastest of eight, measured once for each shape. Runs may differ in the last bits.
  case timed
}

/// Matrix products by cuBLASLt, with float32 sums and without TF32. Results are rounded once.
///
/// cuBLASLt is asked once for the algorithms of a shape. When the inner dimension is split, partial sums are
/// added in float32 and in a fixed order. So a product gives the same bits within a run. With `.heuristic`,
/// it gives the same bits in every run on the same device and library.
package final class CUDAMatrixProduct {
  /// Bytes of scratch memory that algorithms may use.
  package static let workspaceByteCount = 32 << 20

  /// Such as "cuBLASLt 13.2".
  package var summary: String { "cuBLASLt \(library.version)" }

  private let device: CUDADevice
  private let memory: CUDAMemory
  private let library: CUDAMatmul
  private let handle: UnsafeMutableRawPointer
  private let workspace: CUDABlock
  private let choice: MatrixProductChoice
  /// nil for a product that the library does not offer.
  private var plans: [MatrixPlanKey: MatrixPlan?] = [:]

  /// Products on `device`, with scratch memory from `memory`; nil if the machine has no cuBLASLt.
  package convenience init?(
    _ device: CUDADevice, _ memory: CUDAMemory, choice: MatrixProductChoice = .heuristic
  ) throws(CUDAError) {
    guard let library = device.matmul else { return nil }
    try self.init(device, memory, library, choice)
  }

  private init(
    _ device: CUDADevice, _ memory: CUDAMemory, _ library: CUDAMatmul, _ choice: MatrixProductChoice
  ) throws(CUDAError) {
    var handle: UnsafeMutableRawPointer?
    try library.check(library.call.pointee.cublasLtCreate(&handle), "cublasLtCreate")
    guard let handle else { throw library.error(1, "cublasLtCreate") }
    self.device = device
    self.memory = memory
    self.library = library
    self.choice = choice
    self.handle = handle
    do throws(CUDAError) {
      workspace = try memory.allocate(Self.workspaceByteCount)
    } catch {
      _ = library.call.pointee.cublasLtDestroy(handle)
      throw error
    }
  }

  deinit {
    memory.takeBack(workspace)
    _ = library.call.pointee.cublasLtDestroy(handle)
  }

  /// Queues c = scale · op(a) · op(b) + addend · c. The device keeps a failure.
  /// - c: [rows of op(a), columns of op(b)], stored.  - addend: usually 0, for which c is not read, or 1.
  /// - Returns: false, with nothing queued, when cuBLASLt has no such product: factors of two types, a
  ///   bfloat16 result of float32 factors, an odd shape or place.
  package func multiply(
    _ a: DeviceMatrix, _ b: DeviceMatrix, scale: Float, addend: Float, _ c: DeviceMatrix
  ) -> Bool {
    let key = MatrixPlanKey(a, b, c, adds: addend != 0)
    guard key.isSupported else { return false }
    guard device.failure == nil, c.rowCount > 0, c.columnCount > 0 else { return true }
    do throws(CUDAError) {
      guard let plan = try plan(key, a, b, c) else { return false }
      try library.check(run(plan, plan.choices[plan.chosen], a, b, scale, addend, c), "cublasLtMatmul")
    } catch {
      device.record(error)
    }
    return true
  }

  // MARK: - Plans

  private func plan(
    _ key: MatrixPlanKey, _ a: DeviceMatrix, _ b: DeviceMatrix, _ c: DeviceMatrix
  ) throws(CUDAError) -> MatrixPlan? {
    let plan: MatrixPlan?
    if let known = plans[key] {
      plan = known
    } else {
      plan = try MatrixPlan(key, library, handle, count: choice == .timed ? 8 : 1)
      plans[key] = .some(plan)
    }
    // Nothing can be measured during the capture of a graph. The first choice is used until the shape comes
    // again.
    if let plan, choice == .timed, !plan.isTimed, !device.isCapturing { try time(plan, a, b, c) }
    return plan
  }

  /// Picks the fastest of a plan's algorithms. Results go to scratch memory, because c may be added to later.
  private func time(
    _ plan: MatrixPlan, _ a: DeviceMatrix, _ b: DeviceMatrix, _ c: DeviceMatrix
  ) throws(CUDAError) {
    plan.isTimed = true
    let byteCount = c.rowCount * c.rowStride * (c.type == .float32 ? 4 : 2)
    // Without memory for the measurement, the first choice stays.
    guard plan.choices.count > 1, let scratch = try? memory.allocate(byteCount) else { return }
    defer { memory.takeBack(scratch) }
    var target = c
    target.address = scratch.address
    device.fill(scratch.address, byteCount: byteCount)
    let start = try CUDAEvent(device, isTimed: true)
    let end = try CUDAEvent(device, isTimed: true)
    var fastest = Float.infinity
    for (index, algorithm) in plan.choices.enumerated() {
      // The first run loads code. An algorithm that does not run is skipped.
      guard run(plan, algorithm, a, b, 1, plan.adds ? 1 : 0, target) == 0 else { continue }
      start.record()
      for _ in 0..<3 { _ = run(plan, algorithm, a, b, 1, plan.adds ? 1 : 0, target) }
      end.record()
      let milliseconds = try end.milliseconds(since: start)
      if milliseconds < fastest {
        fastest = milliseconds
        plan.chosen = index
      }
    }
  }

  /// A row-major matrix is the transpose of a column-major one, which cuBLASLt expects: cᵀ = op(b)ᵀ · op(a)ᵀ.
  private func run(
    _ plan: MatrixPlan, _ algorithm: cc_matmul_choice, _ a: DeviceMatrix, _ b: DeviceMatrix, _ scale: Float,
    _ addend: Float, _ c: DeviceMatrix
  ) -> Int32 {
    var scale = scale
    var addend = addend
    let target = cc_device_pointer(c.address)
    return withUnsafePointer(to: algorithm.algorithm) { algorithm in
      library.call.pointee.cublasLtMatmul(
        handle, plan.description, &scale, cc_device_pointer(b.address), plan.layoutB,
        cc_device_pointer(a.address), plan.layoutA, &addend, target, plan.layoutC, target, plan.layoutC,
        algorithm, cc_device_pointer(workspace.address), Self.workspaceByteCount, device.stream)
    }
  }
}
