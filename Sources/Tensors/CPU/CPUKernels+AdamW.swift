import CKernels
import Glibc

extension CPUKernels {
  /// Elements of one tile: whole blocks, and few enough to stay in the second-level cache.
  private static let tile = 64 * AdamWMoments.blockSize

  /// Sum of the squares of a float32 or bfloat16 tensor, in a fixed order, in float64.
  package func sumOfSquares(_ x: Tensor) -> Double {
    let sums = tiled(x.count) { start, count in
      ck_sum_of_squares(x.dtype.elementType, x.bytes + start * x.dtype.byteCount, count)
    }
    return withExtendedLifetime(x.storage) { sums.reduce(0, +) }
  }

  /// The float64 sum of a float32 tensor in order, rounded once.
  package func sum(_ x: Tensor) -> Tensor {
    let sum = UnsafeBufferPointer(start: x.float32, count: x.count).reduce(0.0) { $0 + Double($1) }
    return withExtendedLifetime(x.storage) { Tensor([Float(sum)], [1]) }
  }

  /// See `Kernels.gradientNorms`.
  package func gradientNorms(_ gradients: [Tensor], maxNorm: Double) -> GradientNorms {
    let squares = gradients.map(sumOfSquares)
    let norm = squares.reduce(0, +).squareRoot()
    let clip = norm.isFinite ? min(1, maxNorm / (norm + 1e-6)) : .nan
    return GradientNorms(
      norms: Tensor((squares.map { $0.squareRoot() } + [norm]).map { Float($0) }, [gradients.count + 1]),
      clip: Tensor([Float(clip)], [1]))
  }

  /// See `Kernels.adamW`.
  package func adamW(_ updates: [(update: AdamWUpdate, moments: AdamWMoments)], clip: Tensor?) -> Tensor {
    let clip = clip?.floats[0] ?? 1
    if !clip.isFinite { return Tensor(zeros: [updates.count], .int32) }
    let changed = updates.map { update, moments in
      var update = update
      update.step.gradientScale *= clip
      return switch moments {
      case .codes(let codes1, let codes2, let absmax1, let absmax2):
        adamW8bit(update, codes1: codes1, codes2: codes2, absmax1: absmax1, absmax2: absmax2)
      case .float32(let moment1, let moment2): adamW32bit(update, moment1: moment1, moment2: moment2)
      }
    }
    return Tensor(changed.map(Int32.init))
  }

  /// One 8-bit AdamW step of one tensor.
  /// - codes1, codes2: uint8, one for each element; absmax1, absmax2: float32, one for each block of 256
  ///   elements; all zero before the first step.  - Returns: the number of stored weights that changed.
  package func adamW8bit(
    _ update: AdamWUpdate, codes1: Tensor, codes2: Tensor, absmax1: Tensor, absmax2: Tensor
  ) -> Int {
    let count = update.parameter.count
    Requirements.adamW(
      update, .codes(codes1: codes1, codes2: codes2, absmax1: absmax1, absmax2: absmax2))
    nonisolated(unsafe) let codes = (codes1.uint8, codes2.uint8, absmax1.float32, absmax2.float32)
    let step = ck_adamw_step(update)
    let changed = CodeMaps.signed.withUnsafeBufferPointer { map1 in
      CodeMaps.unsigned.withUnsafeBufferPointer { map2 in
        tiled(count) { start, count in
          let block = start / AdamWMoments.blockSize
          var state = ck_adamw_codes(
            codes1: codes.0 + start, codes2: codes.1 + start, absmax1: codes.2 + block,
            absmax2: codes.3 + block, map1: map1.baseAddress, map2: map2.baseAddress,
            table1: CodeTables.signed, table2: CodeTables.unsigned)
          return withStepAndRun(step, update, start, count) { ck_adamw_8bit($0, $1, &state) }
        }
      }
    }
    return withExtendedLifetime((update, codes1, codes2, absmax1, absmax2)) { changed.reduce(0, +) }
  }

  /// One AdamW step of one tensor with float32 moments, which are zero before the first step.
  /// - Returns: the number of stored weights that changed.
  package func adamW32bit(_ update: AdamWUpdate, moment1: Tensor, moment2: Tensor) -> Int {
    let count = update.parameter.count
    Requirements.adamW(update, .float32(moment1: moment1, moment2: moment2))
    let moments = (moment1.float32, moment2.float32)
    let step = ck_adamw_step(update)
    let changed = tiled(count) { start, count in
      withStepAndRun(step, update, start, count) {
        ck_adamw_32bit($0, $1, moments.0 + start, moments.1 + start)
      }
    }
    return withExtendedLifetime((update, moment1, moment2)) { changed.reduce(0, +) }
  }

  /// The results of `body` for each tile's first element and length, in order.
  private func tiled<Result>(_ count: Int, _ body: (Int, Int) -> Result) -> [Result] {
    let tiles = (count + Self.tile - 1) / Self.tile
    return Array(unsafeUninitializedCapacity: tiles) { results, initialized in
      parallel(tiles) { index in
        let start = index * Self.tile
        let result = body(start, min(Self.tile, count - start))
        results.baseAddress.map { ($0 + index).initialize(to: result) }
      }
      initialized = tiles
    }
  }
}

/// Calls `body` with the step, and with the run of `count` elements of `update` that begins at `start`.
private func withStepAndRun(
  _ step: ck_adamw_step, _ update: AdamWUpdate, _ start: Int, _ count: Int,
  _ body: (UnsafePointer<ck_adamw_step>, UnsafePointer<ck_adamw_run>) -> Int
) -> Int {
  var step = step
  var run = ck_adamw_run(
    parameter: update.parameter.bytes + start * update.parameter.dtype.byteCount,
    gradient: update.gradient.bytes + start * update.gradient.dtype.byteCount,
    weights: update.weights.map { $0.bfloat16 + start }, first: UInt64(start), count: count)
  return body(&step, &run)
}

extension ck_adamw_step {
  /// The numbers of a step as kernels take them: powers in float64, the rest in float32.
  fileprivate init(_ update: AdamWUpdate) {
    let parameter = update.parameter
    let step = update.step
    let power1 = Float(pow(Double(step.beta1), Double(step.step)))
    let power2 = Float(pow(Double(step.beta2), Double(step.step)))
    let one: Float = 1
    let root = (one - power2).squareRoot()
    let stepSize: Float = (root * step.learningRate) * -(one / (one - power1))
    let decay: Float = step.weightDecay > 0 ? one.addingProduct(-step.learningRate, step.weightDecay) : one
    var key: UInt64 = 0
    var rounding = Int32(CK_NEAREST)
    if case .stochastic(let random) = update.rounding {
      key = random.word
      rounding = Int32(CK_STOCHASTIC)
    }
    self.init(
      beta1: step.beta1, beta2: step.beta2, gradient_scale: step.gradientScale, root: root,
      step_size: stepSize, epsilon: step.epsilon, decay_before: step.decayOrder == .beforeStep ? decay : one,
      decay: step.decayOrder == .afterStep ? decay : one,
      type: parameter.dtype.elementType, gradient_type: update.gradient.dtype.elementType,
      rounding: rounding, key: key)
  }
}

/// Tables for the search in the code maps, made once and kept.
enum CodeTables {
  // Written once, before any thread reads it.
  nonisolated(unsafe) static let signed = made(CodeMaps.signed)
  nonisolated(unsafe) static let unsigned = made(CodeMaps.unsigned)

  private static func made(_ map: [Float]) -> UnsafePointer<ck_code_table> {
    let table = UnsafeMutablePointer<ck_code_table>.allocate(capacity: 1)
    let crowded = ck_make_code_table(map, table)
    precondition(crowded == 0, "CodeTables: \(crowded) buckets of more than two codes")
    return UnsafePointer(table)
  }
}
