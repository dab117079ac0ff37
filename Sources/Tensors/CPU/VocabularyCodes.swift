import CKernels

/// 8-bit codes of a table's rows, in panels (`ck_encode_panel`).
struct VocabularyCodes {
  /// Rows of the table, and elements of each.
  let count: Int, width: Int
  /// uint8 [panels, 16 · width in whole units].
  let panels: Tensor
  /// For each row: scale, norm, and norm of the remainder that the codes leave; float32 [3, 16 · panels].
  let factors: Tensor

  /// Codes of a bfloat16 table; nil when an element is not finite, or so large that its square may not be.
  init?(_ table: Tensor, _ kernels: CPUKernels) {
    (count, width) = (table.shape[0], table.shape[1])
    let unit = Int(CK_CODE_ROWS)
    let panelCount = (count + unit - 1) / unit
    panels = Tensor(uninitialized: [panelCount, unit * ck_code_count(width)], .uint8)
    factors = Tensor(uninitialized: [3, panelCount * unit], .float32)
    let codes = self
    let grain = 256
    let areCoded = Tensor(zeros: [(panelCount + grain - 1) / grain], .int32)
    kernels.parallel(over: panelCount, grain: grain) { range in
      let all = range.allSatisfy { codes.encode(table, firstRow: $0 * unit) }
      areCoded.int32[range.lowerBound / grain] = all ? 1 : 0
    }
    if areCoded.ints.contains(0) { return nil }
  }

  private func encode(_ table: Tensor, firstRow: Int) -> Bool {
    let factor = factors.float32 + firstRow
    return withExtendedLifetime((table, self)) {
      ck_encode_panel(
        table.bfloat16 + firstRow * width, min(Int(CK_CODE_ROWS), count - firstRow), width,
        panels.uint8 + firstRow * ck_code_count(width), factor, factor + factors.shape[1],
        factor + 2 * factors.shape[1]) != 0
    }
  }
}

/// The search for the rows of a table that may have the largest inner products with some vectors.
final class VocabularyScreening {
  /// Rows that are compared at a time: whole panels. Their bounds stay in the second-level cache.
  private static let partRows = 2048
  private let table: VocabularyCodes
  /// Codes of the vectors, and the numbers with which each is compared.
  private let codes: Tensor, queries: UnsafeMutableBufferPointer<ck_query>
  /// The largest lower bound so far of each vector: float32 [vectors].
  private let best: Tensor
  /// The candidates that each part of the table gave.
  private let found: UnsafeMutableBufferPointer<[ck_candidate]>

  /// - hidden: bfloat16 [M, D].  nil under the same conditions as in `VocabularyCodes.init`.
  init?(_ hidden: Tensor, _ table: VocabularyCodes) {
    let count = hidden.shape[0]
    self.table = table
    codes = Tensor(uninitialized: [count, ck_code_count(table.width)], .uint8)
    best = Tensor([Float](repeating: -.infinity, count: count), [count])
    queries = .allocate(capacity: count)
    queries.initialize(repeating: ck_query())
    found = .allocate(capacity: (table.count + Self.partRows - 1) / Self.partRows)
    found.initialize(repeating: [])
    let areCoded = withExtendedLifetime(hidden) {
      ck_encode_queries(hidden.bfloat16, count, table.width, queryCodes, queries.baseAddress) != 0
    }
    if !areCoded { return nil }
  }

  deinit {
    queries.deallocate()
    found.deinitialize().deallocate()
  }

  private var queryCodes: UnsafeMutablePointer<Int8> {
    UnsafeMutableRawPointer(codes.uint8).assumingMemoryBound(to: Int8.self)
  }

  /// The rows among which each vector has its largest inner product, ascending. nil when they are more than
  /// an eighth of the table, because then nothing is gained.
  func candidates(_ kernels: CPUKernels) -> [Int32]? {
    nonisolated(unsafe) let found = found
    kernels.parallel(over: table.count, grain: Self.partRows) { rows in
      found[rows.lowerBound / Self.partRows] = candidates(rows)
    }
    var rows: [Int32] = []
    for part in found {
      for candidate in part where candidate.most >= best.float32[Int(candidate.query)] {
        rows.append(candidate.row)
      }
      if rows.count > table.count / 8 { return nil }
    }
    rows.sort()
    var distinct: [Int32] = []
    for row in rows where row != distinct.last { distinct.append(row) }
    return distinct
  }

  /// Candidates among `rows`: those that the best lower bounds so far do not rule out.
  private func candidates(_ rows: Range<Int>) -> [ck_candidate] {
    let factor = table.factors.float32 + rows.lowerBound
    let stride = table.factors.shape[1]
    let most = queries.count * Self.partRows
    return withScratch(most) { bounds in
      var screen = ck_screen(
        panels: table.panels.uint8 + rows.lowerBound * codes.shape[1], scales: factor,
        norms: factor + stride, rests: factor + 2 * stride, first_row: rows.lowerBound, rows: rows.count,
        inner: table.width, codes: queryCodes, queries: queries.baseAddress, query_count: queries.count,
        best: best.float32, bounds: bounds)
      return withUnsafeTemporaryAllocation(of: ck_candidate.self, capacity: most) { found in
        Array(found.prefix(ck_screen_rows(&screen, found.baseAddress)))
      }
    }
  }
}
