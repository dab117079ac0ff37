import Files
import Tensors

/// The work of one run of a case, for its rate.
package struct CaseWork: Sendable {
  /// What is counted.
  package enum Unit: Sendable {
    /// Floating-point operations, a multiplication and an addition counted each.
    case operations
    /// Bytes read or written.
    case bytes
  }

  /// The sizes in words, which follow the case's name.
  package var sizes: String
  /// What is counted.
  package var unit: Unit
  /// How many of them.
  package var amount: Double
}

/// One operation on given inputs: what every conformer of `Kernels` is tested and timed with.
package struct KernelCase {
  /// Runs on tensors in the place of the kernels, which it may write over.
  typealias Computation = (any Kernels, [Tensor]) -> [Tensor]
  /// Prepares what is not timed, and gives the rest of the computation.
  package typealias Preparation = (any Kernels, [Tensor]) -> () -> [Tensor]
  /// float64 values of each result from the inputs, as stored; nil for a result whose truth is not known.
  typealias Truth = ([Numbers]) -> [[Double]?]

  /// What is computed, in words.
  package let name: String
  /// Of activations and weights.
  package let dtype: DType
  /// What goes in.
  package let inputs: [CaseInput]
  /// The computation.
  package var prepare: Preparation
  /// Of each result, or one for all results; empty for that of each result's dtype.
  private(set) var tolerances: [CaseTolerance] = []
  /// The truth; nil where results are compared between conformers only.
  private(set) var truth: Truth?
  /// What a run amounts to; nil for a case that is not timed.
  package private(set) var work: CaseWork?

  /// A case all of which is timed.
  init(_ name: String, _ dtype: DType, _ inputs: [CaseInput], _ compute: @escaping Computation) {
    self.init(name, dtype, inputs, prepare: { kernels, x in { compute(kernels, x) } })
  }

  /// A case that prepares something first.
  init(_ name: String, _ dtype: DType, _ inputs: [CaseInput], prepare: @escaping Preparation) {
    self.name = name
    self.dtype = dtype
    self.inputs = inputs
    self.prepare = prepare
  }

  /// With the truth of its results.
  func checked(by truth: @escaping Truth) -> KernelCase {
    var copy = self
    copy.truth = truth
    return copy
  }

  /// With other tolerances than those of the results' dtypes: one for all results, or one for each.
  func tolerating(_ tolerances: [CaseTolerance]) -> KernelCase {
    var copy = self
    copy.tolerances = tolerances
    return copy
  }

  /// With the work that it does.
  func timed(_ sizes: String, _ unit: CaseWork.Unit, _ amount: Double) -> KernelCase {
    var copy = self
    copy.work = CaseWork(sizes: sizes, unit: unit, amount: amount)
    return copy
  }
}

extension KernelCase {
  /// Name and dtype, for messages.
  package var title: String { "\(name), \(dtype)" }
  /// Name and sizes, by which tables know a rate; nil for a case that is not timed.
  package var timedName: String? { work.map { "\(name), \($0.sizes)" } }
  /// Whether the truth of results is known.
  package var hasTruth: Bool { truth != nil }

  /// The inputs as host tensors: equal numbers at each call.
  package func drawnInputs() -> [Tensor] {
    inputs.enumerated().map { $1.tensor(stream: UInt64(101 + $0)) }
  }

  /// The results on `inputs`, which stay as they are, in main memory.
  /// - Throws: `Fault` where `kernels` failed.
  package func results(_ kernels: any Kernels, _ inputs: [Tensor]) throws -> [Tensor] {
    let results = prepare(kernels, inputs.map { kernels.placed($0.copied()) })().map(kernels.onHost)
    try kernels.check()
    return results
  }

  /// The tolerance of a result.
  package func tolerance(_ index: Int, _ dtype: DType) -> CaseTolerance {
    switch tolerances.count {
    case 0: CaseTolerance(dtype)
    case 1: tolerances[0]
    default: tolerances[index]
    }
  }

  /// The largest difference of a real GPU's results from those of `reference`, in units of what is allowed.
  /// - Throws: `Fault` where kernels failed.
  package func error(_ kernels: any Kernels, from reference: any Kernels) throws -> Double {
    let inputs = drawnInputs()
    let expected = try self.results(reference, inputs)
    let results = try self.results(kernels, inputs)
    guard results.count == expected.count else { return .infinity }
    return zip(results, expected).enumerated().map { index, pair in
      tolerance(index, pair.1.dtype).gpu.error(of: pair.0.floats, from: pair.1.floats)
    }.max() ?? 0
  }

  /// Each result's error from the truth over what is allowed: at most 1 is correct.
  ///
  /// - Returns: nil for a result whose truth is not known.
  /// - Throws: `Fault` where `kernels` failed.
  package func errorsFromTruth(_ kernels: any Kernels) throws -> [Double?] {
    guard let truth else { return [] }
    let inputs = drawnInputs()
    let results = try self.results(kernels, inputs)
    let expected = truth(inputs.map(Numbers.init))
    precondition(
      results.count == expected.count, "\(name): \(results.count) results, \(expected.count) truths")
    return zip(results, expected).enumerated().map { index, pair in
      guard let expected = pair.1 else { return nil }
      let error = largestError(of: pair.0.floats, from: expected)
      let allowed = tolerance(index, pair.0.dtype).truth
      return error == 0 ? 0 : error / allowed
    }
  }
}
