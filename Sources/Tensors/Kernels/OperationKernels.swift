/// The operations of a layer, forward and backward.
///
/// `Requirements` checks shapes and dtypes, with the same words in every conformer.
package protocol OperationKernels {
  /// Matrix product: c = scale · op(a) · op(b), or c + scale · op(a) · op(b).
  /// - Parameters: a, b, c: two-dimensional, float32 or bfloat16 each; c is written in place.
  func multiply(_ a: Operand, _ b: Operand, scale: Float, _ store: Store, _ c: Tensor)

  /// Rows of an embedding table times `scale`, which the caller has rounded to the table's dtype.
  /// - ids: int32 [T]; table: [V, D].  - Returns: [T, D] in the table's dtype.
  func embeddingForward(_ ids: Tensor, _ table: Tensor, scale: Float) -> Tensor
  /// Adds `scale · dY` [T, D] to the rows `ids` of `dTable` (float32 [V, D]), in the order of the tokens.
  func embeddingBackward(_ dY: Tensor, _ ids: Tensor, scale: Float, into dTable: Tensor)

  /// x / sqrt(mean(x²) + epsilon) · (1 + weight) over rows.
  /// - x: [.., D]; weight: [D].  - Returns: y in x's shape and dtype; rstd = 1 / sqrt(…) of each row, float32
  ///   [rows].
  func rmsNormForward(_ x: Tensor, _ weight: Tensor, epsilon: Float) -> (y: Tensor, rstd: Tensor)
  /// a + b, and the norm of that sum as `rmsNormForward` computes it.
  /// - a, b: one shape [.., D] and dtype.  - Returns: the sum, rounded to that dtype; y and rstd of the
  ///   rounded sum.
  func addRMSNormForward(_ a: Tensor, _ b: Tensor, _ weight: Tensor, epsilon: Float)
    -> (sum: Tensor, y: Tensor, rstd: Tensor)
  /// Gradient of x, plus `dSum` when given: x's gradient from its other uses, in x's shape and dtype. Adds
  /// the weight's gradient to `dWeight` (float32 [D]) when given. On the CPU a bfloat16 gradient is rounded
  /// before `dSum` is added and after.
  func rmsNormBackward(
    _ dY: Tensor, _ x: Tensor, _ weight: Tensor, rstd: Tensor, dSum: Tensor?, dWeight: Tensor?
  ) -> Tensor

  /// Rotary position embedding, half-split, of each head of each row.
  /// - x: [T, heads · H]; positions: int32 [T].  - direction: backward rotates the other way.
  func rotated(_ x: Tensor, positions: Tensor, _ table: RotaryTable, _ direction: Direction) -> Tensor

  /// Variable-length causal attention with grouped heads.
  /// - q: [T, N·H]; k, v: [S, K·H].  - segments: their queries cover q's rows without overlap.
  /// - Returns: o [T, N·H], and the log of each soft-max's denominator, float32 [T, N].
  func attentionForward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape, segments: [AttentionSegment]
  ) -> (o: Tensor, logSumExp: Tensor)
  /// Gradients of q, k and v from the gradient of o.
  func attentionBackward(
    _ dO: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, o: Tensor, logSumExp: Tensor,
    _ shape: AttentionShape, segments: [AttentionSegment]
  ) -> (dQ: Tensor, dK: Tensor, dV: Tensor)
  /// Attention of segments of one query each. The segments are a tensor of `AttentionSegment.numbers`, int32
  /// [4 · count].
  /// - longest: no segment has more keys.  - Returns: o [T, N·H].
  func attentionDecode(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape, segments: Tensor, longest: Int
  ) -> Tensor

  /// gelu_tanh(gate) · up, element by element. gate, up and the result have one shape.
  func gegluForward(_ gate: Tensor, _ up: Tensor) -> Tensor
  /// Gradients of gate and up.
  func gegluBackward(_ dY: Tensor, _ gate: Tensor, _ up: Tensor) -> (dGate: Tensor, dUp: Tensor)

  /// a + b, of one shape and dtype.
  func add(_ a: Tensor, _ b: Tensor) -> Tensor
  /// Adds x to a float32 tensor in place.
  func accumulate(_ x: Tensor, into sum: Tensor)
  /// scale · x in another dtype, or in the same.
  func converted(_ x: Tensor, to dtype: DType, scale: Float) -> Tensor
  /// x with elements zeroed with probability p and the others times 1/(1-p).
  /// Element i is dropped if `key.uniform(at: i)` < p.
  func dropped(_ x: Tensor, probability: Float, key: RandomKey) -> Tensor

  /// Rows of x [T, D] at `indices` (int32 [M]).  - Returns: [M, D].
  func gathered(_ x: Tensor, rows indices: Tensor) -> Tensor
  /// The gradient of `gathered`: zeros [count, D] with `dY` added at `indices`. Where several rows of
  /// bfloat16 have one index, the CPU rounds after each of them.
  func scattered(_ dY: Tensor, rows indices: Tensor, count: Int) -> Tensor

  /// Copies the rows of x [M, D] over rows `indices` (int32 [M]) of `target`, which has the same dtype.
  func copy(_ x: Tensor, toRows indices: Tensor, of target: Tensor)

  /// Sum of a float32 tensor in a fixed order, in float64, rounded once.  - Returns: float32 [1].
  func sum(_ x: Tensor) -> Tensor
}

/// One factor of a matrix product: as stored, or transposed.
package enum Operand {
  case stored(Tensor)
  case transposed(Tensor)

  /// The tensor, as stored.
  package var tensor: Tensor {
    switch self {
    case .stored(let tensor), .transposed(let tensor): tensor
    }
  }
  /// Rows of the factor as it enters the product.
  package var rowCount: Int {
    switch self {
    case .stored(let tensor): tensor.shape[0]
    case .transposed(let tensor): tensor.shape[1]
    }
  }
  /// Columns of the factor as it enters the product.
  package var columnCount: Int {
    switch self {
    case .stored(let tensor): tensor.shape[1]
    case .transposed(let tensor): tensor.shape[0]
    }
  }
}

/// Whether a result replaces the target's elements or is added to them (in float32, rounded once).
package enum Store: Sendable { case replacing, adding }

/// Which pass of an operation runs.
package enum Direction: Sendable { case forward, backward }
