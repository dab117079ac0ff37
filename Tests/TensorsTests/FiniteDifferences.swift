import Tensors

/// Largest error of a tape's gradients against central differences, for each input: max |tape - difference|
/// over max |difference|.
///
/// The differentiated scalar is a projection of `body`'s output on a random vector; an output of one element
/// takes a seed of ones. Each element is moved by ±`step` and ±2 `step` (error of order step⁴). Inputs are
/// watched once as values and once as parameters, and the larger error counts.
/// - inputs: float32.
func gradientErrors(
  of inputs: [Tensor], step: Float = 0.02, seed: UInt64 = 1, _ kernels: any Kernels = CPUKernels(threads: 2),
  _ body: (Operations, [Tensor]) -> Tensor
) -> [Double] {
  let shape = body(Operations(kernels), inputs).shape
  let isScalar = shape.reduce(1, *) == 1
  let projection = isScalar ? Tensor([1], shape) : randomTensor(shape, seed: seed)
  let asValues = tapeGradients(inputs, projection, kernels, asParameters: false, body)
  let asParameters = tapeGradients(inputs, projection, kernels, asParameters: true, body)
  return inputs.indices.map { index in
    let differences = centralDifferences(inputs, index, step) { moved in
      projected(body(Operations(kernels), moved), on: projection)
    }
    return max(
      relativeError(asValues[index].floats.map(Double.init), differences),
      relativeError(asParameters[index].floats.map(Double.init), differences))
  }
}

/// max |actual - expected| over max |expected|; NaN counts as infinitely wrong.
func relativeError(_ actual: [Double], _ expected: [Double]) -> Double {
  precondition(
    actual.count == expected.count, "relativeError: \(actual.count) and \(expected.count) elements")
  let scale = max(expected.map(abs).max() ?? 0, 1e-30)
  let error = zip(actual, expected).map { abs($0 - $1) }.max { $1.isNaN || $0 < $1 } ?? 0
  return error.isNaN ? .infinity : error / scale
}

/// A tensor of uniform numbers in [-1, 1), rounded to `dtype`.
func randomTensor(_ shape: Shape, _ dtype: DType = .float32, seed: UInt64) -> Tensor {
  let key = RandomKey(seed: seed, stream: 7)
  let elements = (0..<shape.reduce(1, *)).map { 2 * key.uniform(at: UInt64($0)) - 1 }
  if dtype == .float32 { return Tensor(elements, shape) }
  let tensor = Tensor(uninitialized: shape, .bfloat16)
  for (i, element) in elements.enumerated() { tensor.bfloat16[i] = roundedToBFloat16(element) }
  return tensor
}

private func tapeGradients(
  _ inputs: [Tensor], _ seed: Tensor, _ kernels: any Kernels, asParameters: Bool,
  _ body: (Operations, [Tensor]) -> Tensor
) -> [Tensor] {
  let tape = Tape()
  let watched = inputs.map { input in
    asParameters ? tape.watch(input, addingTo: Tensor(zeros: input.shape, .float32)) : tape.watch(input)
  }
  let output = body(Operations(kernels, tape: tape), watched)
  tape.backward(from: output, seed: seed, kernels)
  return watched.map { $0.node?.gradient ?? Tensor(zeros: $0.shape, .float32) }
}

private func centralDifferences(
  _ inputs: [Tensor], _ index: Int, _ step: Float, _ value: ([Tensor]) -> Double
) -> [Double] {
  var moved = inputs
  moved[index] = inputs[index].copied()
  let elements = moved[index].float32
  return (0..<inputs[index].count).map { i in
    let center = elements[i]
    defer { elements[i] = center }
    let values = ([-2, -1, 1, 2] as [Float]).map { factor -> Double in
      elements[i] = center + factor * step
      return value(moved)
    }
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * Double(step))
  }
}

private func projected(_ output: Tensor, on projection: Tensor) -> Double {
  zip(output.floats, projection.floats).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}
