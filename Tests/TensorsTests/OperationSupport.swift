import Foundation
import Tensors

/// A file of Tests/Fixtures/operations: inputs, outputs and gradients by PyTorch in float64, rounded to
/// float32.
struct OperationFixture {
  private let file: SafetensorsFile

  init(_ name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    file = try SafetensorsFile(path: folder.path + "/Fixtures/operations/\(name).safetensors")
  }

  /// A tensor of the file. With `rowLength`, it is in rows of that many elements.
  func tensor(_ name: String, rowLength: Int? = nil) throws -> Tensor {
    let tensor = try file.tensor(named: name).copied()
    guard let rowLength else { return tensor }
    return tensor.reshaped([tensor.count / rowLength, rowLength])
  }
}

/// A tensor of uniform numbers in [-scale, scale), rounded to `dtype`.
func randomTensor(_ shape: Shape, _ dtype: DType = .float32, seed: UInt64, scale: Float) -> Tensor {
  let tensor = Tensor(randomTensor(shape, seed: seed).floats.map { $0 * scale }, shape)
  return dtype == .bfloat16 ? bfloat16(tensor) : tensor
}

/// The nearest bfloat16 of each element.
func bfloat16(_ x: Tensor) -> Tensor {
  let rounded = Tensor(uninitialized: x.shape, .bfloat16)
  for (i, value) in x.floats.enumerated() { rounded.bfloat16[i] = roundedToBFloat16(value) }
  return rounded
}

/// max |actual - expected| over max |expected|; infinite for NaN or different shapes.
func largestError(_ actual: Tensor, _ expected: Tensor) -> Double {
  actual.shape == expected.shape ? largestError(actual, expected.floats.map(Double.init)) : .infinity
}

/// max |actual - expected| over max |expected|; infinite for NaN or different counts.
func largestError(_ actual: Tensor, _ expected: [Double]) -> Double {
  actual.count == expected.count ? relativeError(actual.floats.map(Double.init), expected) : .infinity
}

/// Bytes of all elements, for comparisons to the last bit.
func bits(_ x: Tensor) -> [UInt8] { Array(UnsafeRawBufferPointer(start: x.bytes, count: x.byteCount)) }

/// An operation's output, and the gradients of its inputs when the output's gradient is `dY`.
func differentiated(
  _ inputs: [Tensor], dY: Tensor, threads: Int = 1, _ body: (Operations, [Tensor]) -> Tensor
) -> (output: Tensor, gradients: [Tensor]) {
  let kernels = CPUKernels(threads: threads)
  let tape = Tape()
  let watched = inputs.map { tape.watch($0) }
  let output = body(Operations(kernels, tape: tape), watched)
  tape.backward(from: output, seed: dY, kernels)
  return (output, watched.map { $0.node?.gradient ?? Tensor([], [0]) })
}

/// True when output and gradients have the same bits on one, two and three threads.
func isEqualOnAnyThreads(_ inputs: [Tensor], dY: Tensor, _ body: (Operations, [Tensor]) -> Tensor) -> Bool {
  let results = [1, 2, 3].map { threads in
    let result = differentiated(inputs, dY: dY, threads: threads, body)
    return ([result.output] + result.gradients).map(bits)
  }
  return results[1] == results[0] && results[2] == results[0]
}

/// Float32 sums of about ten products differ from float64 ones by a few units in the last place, 6e-8 each.
let float32Tolerance = 1e-6
/// bfloat16 results are rounded once, by at most 2^-8 of themselves. The rest leaves room for float32's own
/// error.
let bfloat16Tolerance = 0x1p-8 * 1.01
/// Fourth-order differences of float32 results with a step of 0.02: about 1e-5 of rounding, 1e-6 of the
/// order.
let differencesTolerance = 2e-4

/// Whether two large values are equal. A failed `#expect` of `==` would search for the shortest list of
/// changes between two arrays, which takes hours for about 100,000 numbers.
func areEqual<Value: Equatable>(_ first: Value, _ second: Value) -> Bool { first == second }

/// A shape of attention and the segments of one batch. A test varies them together.
@dynamicMemberLookup struct AttentionCase: Sendable {
  var shape: AttentionShape
  var segments: [AttentionSegment]

  init(
    segments: [AttentionSegment], headCount: Int, keyValueHeadCount: Int, headDim: Int, scale: Float,
    window: Int? = nil, softCap: Float? = nil
  ) {
    self.segments = segments
    shape = AttentionShape(
      headCount: headCount, keyValueHeadCount: keyValueHeadCount, headDim: headDim, scale: scale,
      window: window, softCap: softCap)
  }

  subscript<Value>(dynamicMember path: WritableKeyPath<AttentionShape, Value>) -> Value {
    get { shape[keyPath: path] }
    set { shape[keyPath: path] = newValue }
  }
}

extension Operations {
  func attention(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ layout: AttentionCase) -> Tensor {
    attention(q, k, v, layout.shape, segments: layout.segments)
  }
}

extension OperationKernels {
  func attentionForward(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ layout: AttentionCase)
    -> (o: Tensor, logSumExp: Tensor)
  {
    attentionForward(q, k, v, layout.shape, segments: layout.segments)
  }

  func attentionBackward(
    _ dO: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, o: Tensor, logSumExp: Tensor,
    _ layout: AttentionCase
  ) -> (dQ: Tensor, dK: Tensor, dV: Tensor) {
    attentionBackward(
      dO, q, k, v, o: o, logSumExp: logSumExp, layout.shape, segments: layout.segments)
  }
}
