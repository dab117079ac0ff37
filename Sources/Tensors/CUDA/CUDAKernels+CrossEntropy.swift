extension CUDAKernels {
  /// Linear map to the vocabulary and cross-entropy: `MD, VD, M -> M`, chunk of rows by chunk of rows.
  ///
  /// A chunk's logits are float32; where hidden is bfloat16 their gradient is rounded to bfloat16 in place. A chunk has
  /// as many rows as a sixteenth of the device's memory holds: each further one reads and writes all of dTable again.
  package func linearCrossEntropy(
    _ hidden: Tensor, _ table: Tensor, targets: Tensor, _ options: CrossEntropyOptions
  ) -> CrossEntropyResult {
    let (count, vocabulary) = (hidden.shape[0], table.shape[0])
    precondition(
      hidden.shape[1] == table.shape[1] && targets.shape == [count],
      "linearCrossEntropy: hidden \(hidden.shape), table \(table.shape), targets \(targets.shape)")
    let result = CrossEntropyResult(
      losses: uninitialized([count], .float32),
      dHidden: options.gradientScale.map { _ in uninitialized(hidden.shape, hidden.dtype) })
    let chunk = chunkRows(vocabulary)
    for start in stride(from: 0, to: count, by: chunk) {
      let rows = start..<min(count, start + chunk)
      let logits = logits(hidden.rows(rows), table)
      let gradient = entropy(
        logits, targets.rows(rows), result.losses.rows(rows), options, as: hidden.dtype)
      guard let gradient, let dHidden = result.dHidden else { continue }
      multiply(.stored(gradient), .stored(table), scale: 1, .replacing, dHidden.rows(rows))
      if let dTable = options.dTable {
        multiply(.transposed(gradient), .stored(hidden.rows(rows)), scale: 1, .adding, dTable)
      }
    }
    return result
  }

  /// Losses of a chunk, and the gradient of its logits when there is a scale for it.
  private func entropy(
    _ logits: Tensor, _ targets: Tensor, _ losses: Tensor, _ options: CrossEntropyOptions, as dtype: DType
  ) -> Tensor? {
    let mode: Int32 = options.gradientScale == nil ? 0 : 1
    modules.launch(
      "cross_entropy", grid: LaunchExtent(logits.shape[0]), block: 512, logits.deviceAddress,
      targets.deviceAddress, losses.deviceAddress, Int32(logits.shape[0]), Int32(logits.shape[1]),
      options.softCap ?? 0, options.gradientScale ?? 0, mode)
    if mode == 0 { return nil }
    return dtype == .float32 ? logits : converted(logits, to: .bfloat16, scale: 1)
  }

  /// Float32 logits [M, V].
  private func logits(_ hidden: Tensor, _ table: Tensor) -> Tensor {
    let logits = uninitialized([hidden.shape[0], table.shape[0]], .float32)
    multiply(.stored(hidden), .transposed(table), scale: 1, .replacing, logits)
    return logits
  }

  private func chunkRows(_ vocabulary: Int) -> Int {
    max(64, device.properties.totalMemory / 16 / (4 * max(1, vocabulary)))
  }

  /// The id with the largest logit of each row, the lowest id on ties. A soft cap does not change the order.
  package func argmaxLogits(_ hidden: Tensor, _ table: Tensor) -> Tensor {
    precondition(
      hidden.shape[1] == table.shape[1], "argmaxLogits: hidden \(hidden.shape), table \(table.shape)")
    let ids = uninitialized([hidden.shape[0]], .int32)
    let chunk = chunkRows(table.shape[0])
    for start in stride(from: 0, to: hidden.shape[0], by: chunk) {
      let rows = start..<min(hidden.shape[0], start + chunk)
      let logits = logits(hidden.rows(rows), table)
      modules.launch(
        "argmax", grid: LaunchExtent(rows.count), block: 1024, logits.deviceAddress,
        ids.rows(rows).deviceAddress, Int32(rows.count), Int32(table.shape[0]))
    }
    return ids
  }

  /// All logits, float32 [M, V]: for small M.
  package func logits(_ hidden: Tensor, _ table: Tensor, softCap: Float?) -> Tensor {
    let logits = logits(hidden, table)
    if let softCap {
      modules.launch(
        "soft_cap", grid: elementBlocks(logits.count), block: 256, logits.deviceAddress, softCap,
        Int64(logits.count))
    }
    return logits
  }

  /// Sum in float64 and a fixed order, rounded once.
  package func sum(_ x: Tensor) -> Tensor {
    let sum = uninitialized([1], .float32)
    modules.launch(
      "sum_float", grid: 1, block: 256, x.deviceAddress, Int64(x.count), sum.deviceAddress)
    return sum
  }
}
