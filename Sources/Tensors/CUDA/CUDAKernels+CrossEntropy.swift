import CUDARuntime

extension CUDAKernels {
  /// Linear map to the vocabulary and cross-entropy: `MD, VD, M -> M`, one chunk of rows after the other.
  ///
  /// A chunk's logits are float32. If hidden is bfloat16, their gradient is rounded to bfloat16 in the same
  /// memory, and cuBLASLt multiplies it there. The logits of a chunk fill a sixteenth of the device's memory:
  /// each further chunk reads and writes all of dTable again.
  package func linearCrossEntropy(
    _ hidden: Tensor, _ table: Tensor, targets: Tensor, _ options: CrossEntropyOptions
  ) -> CrossEntropyResult {
    let (count, vocabulary) = (hidden.shape[0], table.shape[0])
    Requirements.linearCrossEntropy(hidden, table, targets: targets)
    let result = CrossEntropyResult(
      losses: uninitialized([count], .float32),
      dHidden: options.gradientScale.map { _ in uninitialized(hidden.shape, hidden.dtype) })
    let chunk = chunkRows(vocabulary)
    for start in stride(from: 0, to: count, by: chunk) {
      let rows = start..<min(count, start + chunk)
      let logits = logits(hidden.rows(rows), table)
      let gradient = entropy(
        logits, targets.rows(rows), result.losses.rows(rows), options, as: hidden.dtype)
      guard var gradient, let dHidden = result.dHidden else { continue }
      multiply(&gradient, isTransposed: false, table, .replacing, dHidden.rows(rows))
      if let dTable = options.dTable {
        multiply(&gradient, isTransposed: true, hidden.rows(rows), .adding, dTable)
      }
    }
    return result
  }

  /// Computes losses of a chunk and, if there is a scale for it, the gradient of its logits in their memory.
  private func entropy(
    _ logits: Tensor, _ targets: Tensor, _ losses: Tensor, _ options: CrossEntropyOptions, as dtype: DType
  ) -> LogitGradient? {
    let gradient = dtype == .float32 ? LogitGradient.rows(logits) : .firstHalves(logits)
    kernels.reduction.crossEntropy.launch(
      grid: LaunchExtent(logits.shape[0]), logits.deviceAddress,
      targets.deviceAddress, losses.deviceAddress, Int32(logits.shape[0]), Int32(logits.shape[1]),
      options.softCap ?? 0, options.gradientScale ?? 0, options.gradientScale == nil ? 0 : gradient.mode)
    return options.gradientScale == nil ? nil : gradient
  }

  /// c = op(gradient) · factor, or c plus that. cuBLASLt can skip the second half of each row. Own kernels
  /// need rows that lie end to end, so for them the rows of the gradient are copied together, once.
  private func multiply(
    _ gradient: inout LogitGradient, isTransposed: Bool, _ factor: Tensor, _ store: Store, _ c: Tensor
  ) {
    let rows: Tensor
    switch gradient {
    case .rows(let tensor): rows = tensor
    case .firstHalves(let logits):
      let halves = DeviceMatrix(
        logits.deviceAddress, rows: logits.shape[0], columns: logits.shape[1], .bfloat16,
        isTransposed: isTransposed, rowStride: 2 * logits.shape[1])
      let addend: Float = store == .adding ? 1 : 0
      if let product,
        product.multiply(
          halves, DeviceMatrix(.stored(factor)), scale: 1, addend: addend, DeviceMatrix(.stored(c)))
      {
        return
      }
      rows = firstHalves(logits)
      gradient = .rows(rows)
    }
    multiply(isTransposed ? .transposed(rows) : .stored(rows), .stored(factor), scale: 1, store, c)
  }

  /// Copies the first half of each row of float32 logits, which holds bfloat16, to a new tensor [M, V].
  private func firstHalves(_ logits: Tensor) -> Tensor {
    let (count, width) = (logits.shape[0], logits.shape[1])
    let halves = Tensor(
      [2 * count, width], .bfloat16, storage: logits.storage, byteOffset: logits.byteOffset)
    return gathered(halves, rows: placed(Tensor((0..<count).map { Int32(2 * $0) })))
  }

  /// All logits without soft cap, float32 [M, V].
  func logits(_ hidden: Tensor, _ table: Tensor) -> Tensor {
    let logits = uninitialized([hidden.shape[0], table.shape[0]], .float32)
    multiply(.stored(hidden), .transposed(table), scale: 1, .replacing, logits)
    return logits
  }

  func chunkRows(_ vocabulary: Int) -> Int {
    Self.chunkRows(vocabulary: vocabulary, deviceMemory: device.properties.totalMemory)
  }

  /// Rows whose float32 logits are in memory at a time: they take a sixteenth of `deviceMemory` bytes.
  static func chunkRows(vocabulary: Int, deviceMemory: Int) -> Int {
    max(64, deviceMemory / 16 / (4 * max(1, vocabulary)))
  }

  /// All logits, float32 [M, V]. M must be small.
  package func logits(_ hidden: Tensor, _ table: Tensor, softCap: Float?) -> Tensor {
    let logits = logits(hidden, table)
    if let softCap {
      kernels.reduction.softCap.launch(
        grid: elementBlocks(logits.count), logits.deviceAddress, softCap,
        Int64(logits.count))
    }
    return logits
  }

  /// Sum in float64 and a fixed order, rounded once.
  package func sum(_ x: Tensor) -> Tensor {
    let sum = uninitialized([1], .float32)
    kernels.reduction.sum.launch(
      grid: 1, x.deviceAddress, Int64(x.count), sum.deviceAddress)
    return sum
  }
}

/// The gradient of a chunk's logits.
private enum LogitGradient {
  /// [M, V], row after row.
  case rows(Tensor)
  /// bfloat16 [M, V]: each row is in the first half of the memory of a row of these float32 logits.
  case firstHalves(Tensor)

  /// The kernel's number for this case.
  var mode: Int32 {
    switch self {
    case .rows: 1
    case .firstHalves: 2
    }
  }
}
