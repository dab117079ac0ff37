import Tensors

extension KernelCases {
  /// The map to the vocabulary: losses with their gradients, logits, and the most likely token.
  func vocabulary(_ dtype: DType) -> [KernelCase] {
    let product = 2 * Double(sizes.targets * sizes.hidden) * Double(sizes.vocabulary)
    let text = "\(sizes.targets) x \(sizes.hidden) x \(sizes.vocabulary)"
    let cap = sizes.logitSoftCap
    return [
      crossEntropy("cross-entropy with dHidden", dtype, cap, hasDTable: false)
        .timed(text, .operations, 2 * product),
      crossEntropy("cross-entropy with dHidden and dTable", dtype, cap, hasDTable: true)
        .timed(text, .operations, 3 * product),
    ] + sizes.decodingRows.map { argmax($0, dtype) } + [
      crossEntropy("cross-entropy with soft cap", dtype, 5, hasDTable: true), losses(dtype), logits(dtype),
    ]
  }

  private func inputs(_ dtype: DType) -> [CaseInput] {
    let targets = (0..<sizes.targets).map { $0 * 7919 % sizes.vocabulary }
    return [
      .random([sizes.targets, sizes.hidden], dtype), .weight(sizes.vocabulary, sizes.hidden, dtype),
      .ints(targets),
    ]
  }

  /// Gradients of bfloat16 logits are rounded to bfloat16 before they are summed.
  private func gradients(_ dtype: DType) -> CaseTolerance {
    dtype == .bfloat16 ? .init(gpu: .bfloat16, simulated: 0.01, truth: 0x1p-7) : CaseTolerance(dtype)
  }

  private func crossEntropy(_ name: String, _ dtype: DType, _ cap: Float?, hasDTable: Bool) -> KernelCase {
    let scale: Float = 2
    let table = CaseInput.random([sizes.vocabulary, sizes.hidden], .float32, amplitude: 0.1)
    return KernelCase(name, dtype, inputs(dtype) + (hasDTable ? [table] : [])) { kernels, x in
      let options = CrossEntropyOptions(
        softCap: cap, gradientScale: scale, dTable: hasDTable ? x[3] : nil)
      let result = kernels.linearCrossEntropy(x[0], x[1], targets: x[2], options)
      return [result.losses] + [result.dHidden].compactMap { $0 } + (hasDTable ? [x[3]] : [])
    }
    .checked { x in
      let truth = CrossEntropyTruth(x[0], x[1], x[2].ints, cap)
      let dHidden = product(truth.dLogits(Double(scale)), x[1])
      guard hasDTable else { return [truth.losses, dHidden] }
      return [
        truth.losses, dHidden, product(truth.dLogits(Double(scale)).transposed, x[0], addedTo: x[3]),
      ]
    }
    .tolerating([CaseTolerance(.float32), gradients(dtype)] + (hasDTable ? [gradients(dtype)] : []))
  }

  private func losses(_ dtype: DType) -> KernelCase {
    let cap = sizes.logitSoftCap ?? 5
    return KernelCase("cross-entropy alone", dtype, inputs(dtype)) { kernels, x in
      let options = CrossEntropyOptions(softCap: cap)
      return [kernels.linearCrossEntropy(x[0], x[1], targets: x[2], options).losses]
    }
    .checked { x in [CrossEntropyTruth(x[0], x[1], x[2].ints, cap).losses] }
  }

  private func argmax(_ rows: Int, _ dtype: DType) -> KernelCase {
    let (count, width) = (sizes.vocabulary, sizes.hidden)
    return KernelCase(
      "arg max of logits", dtype, [.random([rows, width], dtype), .weight(count, width, dtype)],
      prepare: { kernels, x in
        let search = kernels.vocabularySearch(x[1], searches: 1000)
        return { [search.argmax(x[0])] }
      }
    )
    .checked { x in [largestPlaces(Numbers([rows, count], product(x[0], x[1].transposed)))] }
    .timed("\(rowsText(rows)), \(width) x \(count)", .bytes, Double(count * width * dtype.byteCount))
  }

  private func logits(_ dtype: DType) -> KernelCase {
    KernelCase(
      "logits and their arg max", dtype,
      [.random([3, sizes.hidden], dtype), .weight(sizes.vocabulary, sizes.hidden, dtype)]
    ) { kernels, x in
      [
        kernels.logits(x[0], x[1], softCap: nil), kernels.logits(x[0], x[1], softCap: 5),
        kernels.vocabularySearch(x[1], searches: 1).argmax(x[0]),
      ]
    }
    .checked { x in
      let logits = product(x[0], x[1].transposed)
      return [
        logits, logits.map { capped($0, 5).value },
        largestPlaces(Numbers([3, logits.count / 3], logits)),
      ]
    }
  }
}
