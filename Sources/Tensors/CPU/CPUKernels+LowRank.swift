import CKernels

extension CPUKernels {
  /// Largest outer size of one float32 factor, or inner size of two, for which a product counts as low rank.
  static var lowRank: Int { 64 }

  /// Computes products with float32 factors of low rank, such as an adapter's; false for any other product.
  ///
  /// A float32 factor of few lines beside a bfloat16 factor is split into three bfloat16 parts without loss,
  /// and multiplied pair by pair. Two float32 factors of a small inner size are multiplied while c is read
  /// and written once.
  func multiplyLowRank(_ a: Operand, _ b: Operand, scale: Float, _ store: Store, _ c: Tensor) -> Bool {
    switch (a.tensor.dtype, b.tensor.dtype) {
    case (.bfloat16, .float32) where b.columnCount <= Self.lowRank:
      let target = SplitTarget(c: c, isTransposed: false, scale: scale, store: store)
      multiplySplit(PairFactor(lines: a, .rows), SplitFactor(b, .columns), target)
    case (.float32, .bfloat16) where a.rowCount <= Self.lowRank:
      let target = SplitTarget(c: c, isTransposed: true, scale: scale, store: store)
      multiplySplit(PairFactor(lines: b, .columns), SplitFactor(a, .rows), target)
    case (.float32, .float32) where a.columnCount <= Self.lowRank:
      multiplyUpdate(a, b, scale: scale, store, c)
    default:
      return false
    }
    return true
  }

  /// Multiplies lines of the bfloat16 factor in place. They are packed if the inner index does not run along
  /// them.
  private func multiplySplit(_ lines: PairFactor, _ small: SplitFactor, _ target: SplitTarget) {
    withSplit(small) { panels in
      parallel(over: lines.lines, grain: lines.width) { range in
        if lines.isInPlace {
          let x = lines.source.x + range.lowerBound * lines.source.line_stride
          target.multiply(x, lines.source.line_stride, pairStride: 2, range, small, panels)
        } else {
          withPanels(lines, upTo: range.count) { x in
            let first = lines.source.x + range.lowerBound
            ck_pack_columns(first, lines.source.inner_stride, range.count, lines.inner, x)
            target.multiply(x, 2, pairStride: 2 * lines.width, isPadded: true, range, small, panels)
          }
        }
      }
    }
  }

  /// Calls `body` with the parts of a float32 factor, which all workers split.
  private func withSplit(_ factor: SplitFactor, _ body: (UnsafePointer<UInt16>) -> Void) {
    let count = ck_split_size(factor.lines.lines, factor.lines.inner)
    withScratch((count + 1) / 2) { scratch in
      scratch.withMemoryRebound(to: UInt16.self, capacity: count) { panels in
        parallel(over: (factor.lines.inner + 1) / 2, grain: 256) { pairs in
          var lines = factor.lines
          ck_split_panels(&lines, pairs.lowerBound, pairs.upperBound, panels)
        }
        body(panels)
      }
    }
  }

  private func multiplyUpdate(_ a: Operand, _ b: Operand, scale: Float, _ store: Store, _ c: Tensor) {
    let (left, right) = (SplitFactor(a, .rows).lines, SplitFactor(b, .columns).lines)
    let isStored = right.line_stride == 1
    withScratch(isStored ? 0 : right.lines * right.inner) { scratch in
      if !isStored {
        parallel(over: right.lines, grain: 512) { range in
          ck_transpose(
            right.x + range.lowerBound * right.line_stride, right.line_stride, range.count, right.inner,
            scratch + range.lowerBound, right.lines)
        }
      }
      // A multiple of the six rows that are computed at a time; about 2^15 elements of c.
      let grain = 6 * max(1, min(16, 32768 / max(1, right.lines) / 6))
      parallel(over: left.lines, grain: grain) { range in
        var factors = ck_update_factors(
          a: left.x + range.lowerBound * left.line_stride, row_stride: left.line_stride,
          inner_stride: left.inner_stride, b: isStored ? right.x : UnsafePointer(scratch), rows: range.count,
          columns: right.lines, inner: left.inner,
          target: ck_product_target(c, range.lowerBound, 0, scale, store))
        ck_update_product(&factors)
      }
    }
  }
}

/// A float32 factor as lines along the inner index.
private struct SplitFactor {
  let lines: ck_float_lines

  /// The rows or columns of the operand, as it enters the product.
  init(_ operand: Operand, _ direction: LineDirection) {
    let tensor = operand.tensor
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    lines =
      operand.isTransposed == (direction == .columns)
      ? ck_float_lines(x: tensor.float32, line_stride: columns, inner_stride: 1, lines: rows, inner: columns)
      : ck_float_lines(x: tensor.float32, line_stride: 1, inner_stride: columns, lines: columns, inner: rows)
  }
}

/// Where the products of bfloat16 lines with a split factor go.
private struct SplitTarget {
  let c: Tensor
  /// True when the bfloat16 lines are columns of c.
  let isTransposed: Bool
  let scale: Float, store: Store

  /// Multiplies the lines of `range`, the first of which is at `x`, with all lines of the split factor.
  func multiply(
    _ x: UnsafePointer<UInt16>, _ lineStride: Int, pairStride: Int, isPadded: Bool = false,
    _ range: Range<Int>, _ small: SplitFactor, _ panels: UnsafePointer<UInt16>
  ) {
    let first = range.lowerBound
    let part = ck_product_target(c, isTransposed ? 0 : first, isTransposed ? first : 0, scale, store)
    var factors = ck_split_factors(
      panels: panels, x: x, line_stride: lineStride, pair_stride: pairStride, lines: range.count,
      split_lines: small.lines.lines, inner: small.lines.inner, is_padded: isPadded ? 1 : 0, target: part,
      is_transposed: isTransposed ? 1 : 0)
    ck_split_product(&factors)
  }
}
