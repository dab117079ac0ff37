import CUDARuntime

extension CUDAKernels {
  /// c = scale · op(a) · op(b), or c plus that: `MK, KN -> MN`, any mix of float32 and bfloat16.
  ///
  /// A product of a few bfloat16 rows and a transposed weight reads the weight once. A float32 factor of low
  /// rank beside a bfloat16 factor is split into bfloat16 parts (`multiplyLowRank`). cuBLASLt computes all
  /// other products, or own kernels if cuBLASLt is missing or has no such product. Sums are float32 and
  /// rounded once to c's dtype.
  package func multiply(_ a: Operand, _ b: Operand, scale: Float, _ store: Store, _ c: Tensor) {
    Requirements.multiply(a, b, c)
    if c.count == 0 { return }
    if multiplyThin(a, b, scale, store, c) || multiplyLowRank(a, b, scale, store, c) { return }
    let (left, right) = (DeviceMatrix(a), DeviceMatrix(b))
    let addend: Float = store == .adding ? 1 : 0
    if let product, product.multiply(left, right, scale: scale, addend: addend, DeviceMatrix(.stored(c))) {
      return
    }
    multiplyByOwnKernels(a, b, scale, addend, c)
  }

  /// Multiplies up to 16 rows of x by the transpose of a weight.  - Returns: false for any other product.
  private func multiplyThin(
    _ a: Operand, _ b: Operand, _ scale: Float, _ store: Store, _ c: Tensor
  ) -> Bool {
    guard case .stored(let x) = a, case .transposed(let weight) = b, x.shape[0] <= 16,
      x.dtype == .bfloat16, weight.dtype == .bfloat16, x.shape[1] % 8 == 0, x.isAligned, weight.isAligned
    else { return false }
    kernels.product.thin.launch(
      grid: LaunchExtent((weight.shape[0] + 15) / 16), x.deviceAddress,
      weight.deviceAddress, c.deviceAddress, Int32(x.shape[0]), Int32(weight.shape[0]), Int32(x.shape[1]),
      Int32(c.dtype == .float32 ? 1 : 0), scale, store == .adding ? Float(1) : Float(0))
    return true
  }

  private func multiplyByOwnKernels(
    _ a: Operand, _ b: Operand, _ scale: Float, _ addend: Float, _ c: Tensor
  ) {
    let (rows, columns, inner) = (a.rowCount, b.columnCount, a.columnCount)
    let isFloat32 = c.dtype == .float32
    let (transposesA, transposesB) = (Int32(a.isTransposed ? 1 : 0), Int32(b.isTransposed ? 1 : 0))
    let tensors = [a.tensor, b.tensor]
    if tensors.allSatisfy({ $0.dtype == .bfloat16 && $0.isAligned && $0.shape[1] % 8 == 0 }) {
      kernels.product.bfloat16.launch(
        grid: LaunchExtent((rows + 127) / 128 * ((columns + 127) / 128)),
        a.tensor.deviceAddress, b.tensor.deviceAddress, c.deviceAddress, Int32(rows),
        Int32(columns), Int32(inner), transposesA, transposesB, Int32(isFloat32 ? 1 : 0), scale, addend,
        Int32((inner + 31) / 32 * 32))
    } else {
      let types = zip([a.tensor, b.tensor, c], [1, 2, 4] as [Int32]).reduce(Int32(0)) {
        $1.0.dtype == .bfloat16 ? $0 | $1.1 : $0
      }
      kernels.product.any.launch(
        grid: LaunchExtent((columns + 63) / 64, (rows + 63) / 64),
        a.tensor.deviceAddress, b.tensor.deviceAddress, c.deviceAddress, Int32(rows), Int32(columns),
        Int32(inner), types, transposesA, transposesB, scale, addend)
    }
  }
}

// MARK: - Low rank

extension CUDAKernels {
  /// The largest rank for which a float32 factor beside bfloat16 is treated as an adapter's.
  private static let lowRank = 64

  /// Computes products with float32 factors of low rank, such as an adapter's; false for any other product.
  ///
  /// A float32 factor of few lines beside a bfloat16 matrix is split into three bfloat16 parts, whose sum it
  /// is. Two float32 factors of a small inner size are multiplied while a bfloat16 c is read and written
  /// once.
  private func multiplyLowRank(
    _ a: Operand, _ b: Operand, _ scale: Float, _ store: Store, _ c: Tensor
  ) -> Bool {
    switch (a.tensor.dtype, b.tensor.dtype) {
    case (.bfloat16, .float32) where b.columnCount <= Self.lowRank && fits(a.tensor):
      if a.isTransposed {
        // dB = dYᵀ · inner: a sum over the rows of dY.
        gradient(of: a.tensor, b, isTransposed: true, scale, store, c)
      } else {
        project(a.tensor, b, scale, store, c)
      }
    case (.float32, .bfloat16) where a.rowCount <= Self.lowRank && fits(b.tensor) && !b.isTransposed:
      gradient(of: b.tensor, a.flipped, isTransposed: false, scale, store, c)
    case (.float32, .float32) where a.columnCount <= Self.lowRank && c.dtype == .bfloat16 && !a.isTransposed:
      guard c.isAligned else { return false }
      if store == .replacing { clear(c) }
      update(c, a.tensor, b, scale)
    default:
      return false
    }
    return true
  }

  private func fits(_ large: Tensor) -> Bool { large.shape[1] % 8 == 0 && large.isAligned }

  /// c [T, R] = scale · x [T, D] · factor. The columns of the factor are lines of the split parts.
  private func project(_ x: Tensor, _ factor: Operand, _ scale: Float, _ store: Store, _ c: Tensor) {
    let (rows, width, rank) = (x.shape[0], x.shape[1], factor.columnCount)
    let parts = split(factor.tensor, lines: rank, depth: width, padded: width, byColumn: !factor.isTransposed)
    let blocks = (rows + 63) / 64 * ((rank + 15) / 16)
    let (splits, depth) = shares(of: width, unit: 512, blocks: blocks)
    let isWhole = splits == 1 && store == .replacing && c.dtype == .float32
    let inner = isWhole ? c : uninitialized([splits, rows, rank], .float32)
    kernels.product.lowRankProject.launch(
      grid: LaunchExtent((rows + 63) / 64, (rank + 15) / 16, splits),
      x.deviceAddress, parts.deviceAddress, inner.deviceAddress, Int32(rows), Int32(width), Int32(rank),
      Int32(depth), scale)
    if !isWhole { merge(inner, splits, isTransposed: false, 1, store, c) }
  }

  /// c [R, D] = scale · innerᵀ · x [T, D], or the transpose of that; `inner` is [T, R] as it enters the
  /// product.
  private func gradient(
    of x: Tensor, _ inner: Operand, isTransposed: Bool, _ scale: Float, _ store: Store, _ c: Tensor
  ) {
    let (rows, width, rank) = (x.shape[0], x.shape[1], inner.columnCount)
    let padded = (rows + 15) / 16 * 16
    let parts = split(
      inner.tensor, lines: rank, depth: rows, padded: padded, byColumn: !inner.isTransposed)
    let blocks = (width + 63) / 64 * ((rank + 15) / 16)
    let (splits, depth) = shares(of: padded, unit: 128, blocks: blocks)
    let partials = uninitialized([splits, rank, width], .float32)
    kernels.product.lowRankGradient.launch(
      grid: LaunchExtent((width + 63) / 64, (rank + 15) / 16, splits),
      x.deviceAddress, parts.deviceAddress, partials.deviceAddress, Int32(rows), Int32(width),
      Int32(rank), Int32(padded), Int32(depth))
    merge(partials, splits, isTransposed: isTransposed, scale, store, c)
  }

  /// y [T, D] += scale · inner [T, R] · factor [R, D].
  private func update(_ y: Tensor, _ inner: Tensor, _ factor: Operand, _ scale: Float) {
    let (rows, width) = (y.shape[0], y.shape[1])
    kernels.product.lowRankUpdate[y.dtype].launch(
      grid: LaunchExtent((width + 511) / 512, (rows + 63) / 64), y.deviceAddress, inner.deviceAddress,
      factor.tensor.deviceAddress, Int32(rows),
      Int32(width), Int32(inner.shape[1]), Int32(factor.isTransposed ? 1 : 0), Int32(64), scale)
  }

  /// Three bfloat16 parts [3, lines, padded] of a float32 matrix, which is stored [lines, depth], or by
  /// column [depth, lines].
  private func split(_ x: Tensor, lines: Int, depth: Int, padded: Int, byColumn: Bool) -> Tensor {
    let parts = uninitialized([3, lines, padded], .bfloat16)
    kernels.product.lowRankSplit.launch(
      grid: .covering(lines * padded, block: 256), x.deviceAddress,
      parts.deviceAddress, Int32(lines), Int32(depth), Int32(padded), Int32(byColumn ? 1 : 0))
    return parts
  }

  /// c = scale · sum, or c plus that. The sum is over partials [splits, rows, columns], or over their
  /// transposes.
  private func merge(
    _ partials: Tensor, _ splits: Int, isTransposed: Bool, _ scale: Float, _ store: Store, _ c: Tensor
  ) {
    let (rows, columns) = (partials.shape[1], partials.shape[2])
    kernels.product.merge.launch(
      grid: .covering(rows * columns, block: 256), partials.deviceAddress,
      c.deviceAddress, Int32(rows), Int32(columns), Int32(splits), Int32(isTransposed ? 1 : 0),
      Int32(c.dtype == .float32 ? 1 : 0), scale, store == .adding ? Float(1) : Float(0))
  }

  /// Number of shares into which a sum of `length` terms is cut, so that there are two blocks for each
  /// multiprocessor; and number of terms in a share, a multiple of `unit`.
  private func shares(of length: Int, unit: Int, blocks: Int) -> (count: Int, size: Int) {
    let wanted = max(1, 2 * device.properties.multiprocessorCount / max(1, blocks))
    let size = max(1, (length + wanted - 1) / wanted).roundedUp(to: unit)
    return (max(1, (length + size - 1) / size), size)
  }
}

extension Operand {
  /// The transpose of the factor.
  fileprivate var flipped: Operand {
    switch self {
    case .stored(let tensor): .transposed(tensor)
    case .transposed(let tensor): .stored(tensor)
    }
  }
}

extension DeviceMatrix {
  /// The stored matrix of a factor, or of a result.
  init(_ operand: Operand) {
    let tensor = operand.tensor
    self.init(
      tensor.deviceAddress, rows: tensor.shape[0], columns: tensor.shape[1],
      tensor.dtype == .float32 ? .float32 : .bfloat16, isTransposed: operand.isTransposed)
  }
}
