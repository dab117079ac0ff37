/// The demands of each operation on its arguments. They are written once, so every conformer checks them in
/// the same words.
///
/// A wrong shape is a fault of the program, so it stops the program. A demand of one conformer stands with
/// that conformer. Elements of a tensor, such as row numbers, are not read here: on a GPU they are out of
/// reach.
enum Requirements {
  static func copy(_ x: Tensor, to target: Tensor) {
    precondition(
      x.dtype == target.dtype && x.count == target.count,
      "copy: \(x.shape) \(x.dtype) to \(target.shape) \(target.dtype)")
  }

  static func multiply(_ a: Operand, _ b: Operand, _ c: Tensor) {
    precondition(
      a.columnCount == b.rowCount && c.shape == [a.rowCount, b.columnCount],
      "multiply: [\(a.rowCount), \(a.columnCount)] times [\(b.rowCount), \(b.columnCount)] to \(c.shape)")
  }

  static func add(_ a: Tensor, _ b: Tensor) {
    precondition(
      a.shape == b.shape && a.dtype == b.dtype, "add: \(a.shape) \(a.dtype), \(b.shape) \(b.dtype)")
  }

  static func accumulate(_ x: Tensor, into sum: Tensor) {
    precondition(
      x.shape == sum.shape && sum.dtype == .float32,
      "accumulate: \(x.shape) \(x.dtype) into \(sum.shape) \(sum.dtype)")
  }

  static func dropped(probability: Float) {
    precondition(probability >= 0 && probability < 1, "dropped: probability \(probability), expected 0 ..< 1")
  }

  static func gegluForward(_ gate: Tensor, _ up: Tensor) {
    precondition(
      gate.shape == up.shape && gate.dtype == up.dtype,
      "gegluForward: gate \(gate.shape) \(gate.dtype), up \(up.shape) \(up.dtype)")
  }

  static func gegluBackward(_ dY: Tensor, _ gate: Tensor, _ up: Tensor) {
    precondition(
      gate.shape == up.shape && gate.dtype == up.dtype && dY.shape == gate.shape && dY.dtype == gate.dtype,
      "gegluBackward: dY \(dY.shape) \(dY.dtype), gate \(gate.shape) \(gate.dtype), "
        + "up \(up.shape) \(up.dtype)")
  }
}

// MARK: - Rows

extension Requirements {
  static func embeddingForward(_ table: Tensor) {
    precondition(table.shape.count == 2, "embeddingForward: table \(table.shape), expected [V, D]")
  }

  static func embeddingBackward(_ dY: Tensor, _ ids: Tensor, into dTable: Tensor) {
    precondition(
      dTable.shape.count == 2 && dY.shape == [ids.count, dTable.rowLength],
      "embeddingBackward: dY \(dY.shape), \(ids.count) ids, dTable \(dTable.shape)")
  }

  static func scattered(_ dY: Tensor, rows indices: Tensor) {
    precondition(
      dY.shape == [indices.count, dY.rowLength], "scattered: dY \(dY.shape), \(indices.count) rows")
  }

  static func copy(_ x: Tensor, toRows indices: Tensor, of target: Tensor) {
    precondition(
      x.rowLength == target.rowLength && x.dtype == target.dtype && indices.count == x.rowCount,
      "copy: rows \(x.shape) \(x.dtype) to \(target.shape) \(target.dtype), \(indices.count) indices")
  }

  static func rmsNormForward(_ x: Tensor, _ weight: Tensor) {
    precondition(
      weight.shape == [x.rowLength] && weight.dtype == x.dtype,
      "rmsNormForward: x \(x.shape) \(x.dtype), weight \(weight.shape) \(weight.dtype)")
  }

  static func addRMSNormForward(_ a: Tensor, _ b: Tensor, _ weight: Tensor) {
    precondition(
      a.shape == b.shape && a.dtype == b.dtype && weight.shape == [a.rowLength] && weight.dtype == a.dtype,
      "addRMSNormForward: a \(a.shape) \(a.dtype), b \(b.shape) \(b.dtype), "
        + "weight \(weight.shape) \(weight.dtype)")
  }

  static func rmsNormBackward(_ dY: Tensor, _ x: Tensor, _ weight: Tensor, dSum: Tensor?) {
    precondition(
      weight.shape == [x.rowLength] && weight.dtype == x.dtype && dY.shape == x.shape && dY.dtype == x.dtype,
      "rmsNormBackward: dY \(dY.shape) \(dY.dtype), x \(x.shape) \(x.dtype), "
        + "weight \(weight.shape) \(weight.dtype)")
    precondition(
      dSum.map { $0.shape == x.shape && $0.dtype == x.dtype } ?? true,
      "rmsNormBackward: dSum \(dSum?.shape ?? []), x \(x.shape) \(x.dtype)")
  }

  static func rotated(_ x: Tensor, positions: Tensor, _ table: RotaryTable) {
    precondition(
      positions.count == x.rowCount && table.headDim > 0 && x.rowLength % table.headDim == 0,
      "rotated: x \(x.shape), \(positions.count) positions, headDim \(table.headDim)")
  }
}

// MARK: - Attention

extension Requirements {
  static func attentionForward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape, _ segments: [AttentionSegment]
  ) {
    attention("attentionForward", q, k, v, shape)
    within("attentionForward", q, k, segments)
  }

  static func attentionBackward(
    _ dO: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, o: Tensor, logSumExp: Tensor,
    _ shape: AttentionShape, _ segments: [AttentionSegment]
  ) {
    attention("attentionBackward", q, k, v, shape)
    within("attentionBackward", q, k, segments)
    precondition(
      dO.shape == q.shape && dO.dtype == q.dtype && o.shape == q.shape && o.dtype == q.dtype
        && logSumExp.shape == [q.rowCount, shape.headCount],
      "attentionBackward: dO \(dO.shape) \(dO.dtype), q \(q.shape) \(q.dtype), o \(o.shape) \(o.dtype), "
        + "logSumExp \(logSumExp.shape)")
  }

  static func attentionDecode(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape, segments: Tensor
  ) {
    attention("attentionDecode", q, k, v, shape)
    precondition(
      segments.dtype == .int32 && segments.count % 4 == 0,
      "attentionDecode: segments \(segments.shape) \(segments.dtype), expected int32, four numbers each")
  }

  private static func attention(
    _ name: String, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: AttentionShape
  ) {
    let (heads, keyHeads, headDim) = (shape.headCount, shape.keyValueHeadCount, shape.headDim)
    precondition(
      keyHeads > 0 && heads % keyHeads == 0 && q.rowLength == heads * headDim && k.shape == v.shape
        && k.rowLength == keyHeads * headDim && k.dtype == q.dtype && v.dtype == q.dtype,
      "\(name): q \(q.shape) \(q.dtype), k \(k.shape) \(k.dtype), v \(v.shape) \(v.dtype), "
        + "N \(heads), K \(keyHeads), H \(headDim)")
    precondition(
      (shape.window ?? 1) > 0, "\(name): window \(shape.window ?? 0), expected 1 or more")
  }

  private static func within(_ name: String, _ q: Tensor, _ k: Tensor, _ segments: [AttentionSegment]) {
    for segment in segments {
      precondition(
        segment.queryStart >= 0 && segment.queryCount >= 0
          && segment.queryStart + segment.queryCount <= q.rowCount
          && segment.keyStart >= 0 && segment.keyCount >= segment.queryCount
          && segment.keyStart + segment.keyCount <= k.rowCount,
        "\(name): \(segment), q \(q.shape), k \(k.shape)")
    }
  }
}

// MARK: - Vocabulary

extension Requirements {
  static func linearCrossEntropy(_ hidden: Tensor, _ table: Tensor, targets: Tensor) {
    precondition(
      hidden.shape[1] == table.shape[1] && targets.shape == [hidden.shape[0]],
      "linearCrossEntropy: hidden \(hidden.shape), table \(table.shape), targets \(targets.shape)")
  }

  static func argmax(_ hidden: Tensor, _ table: Tensor) {
    precondition(hidden.shape[1] == table.shape[1], "argmax: hidden \(hidden.shape), table \(table.shape)")
  }
}

// MARK: - Optimizer

extension Requirements {
  static func adamW(_ update: AdamWUpdate, _ moments: AdamWMoments) {
    let (parameter, gradient) = (update.parameter, update.gradient)
    let hasMaster = update.weights == nil || parameter.dtype == .float32
    precondition(
      parameter.dtype == .float32 || parameter.dtype == .bfloat16,
      "AdamW: parameter \(parameter.shape) is \(parameter.dtype)")
    precondition(
      gradient.dtype == .float32 || gradient.dtype == .bfloat16,
      "AdamW: gradient \(gradient.shape) is \(gradient.dtype)")
    precondition(
      gradient.shape == parameter.shape && hasMaster
        && (update.weights ?? parameter).shape == parameter.shape,
      "AdamW: parameter \(parameter.shape) \(parameter.dtype), gradient \(gradient.shape), "
        + "weights \(update.weights?.shape ?? [])")
    switch moments {
    case .codes(let codes1, let codes2, let absmax1, let absmax2):
      let blocks = AdamWMoments.blockCount(parameter.count)
      precondition(
        [codes1, codes2].allSatisfy { $0.count == parameter.count }
          && [absmax1, absmax2].allSatisfy { $0.count == blocks },
        "AdamW: parameter \(parameter.shape), codes \(codes1.shape) and \(codes2.shape), "
          + "maxima \(absmax1.shape) and \(absmax2.shape)")
    case .float32(let moment1, let moment2):
      precondition(
        moment1.count == parameter.count && moment2.count == parameter.count,
        "AdamW: parameter \(parameter.shape), moments \(moment1.shape) and \(moment2.shape)")
    }
  }
}
