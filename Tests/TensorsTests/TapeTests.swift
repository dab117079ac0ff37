import Tensors
import Testing

struct TapeTests {
  private let kernels = CPUKernels(threads: 1)

  @Test func aValueUsedTwiceSumsItsGradients() {
    let x = Tensor([1, 2, 3], [3])
    let result = differentiated([x], dY: Tensor([1, 1, 1], [3])) { $0.geglu($1[0], $1[0]) }
    let parts = differentiated([x, x], dY: Tensor([1, 1, 1], [3])) { $0.geglu($1[0], $1[1]) }
    let sums = zip(parts.gradients[0].floats, parts.gradients[1].floats).map { $0 + $1 }
    #expect(result.gradients[0].floats == sums)
  }

  @Test func aParametersGradientSumsOverPasses() {
    let ids = Tensor([0, 1])
    let gradient = Tensor(zeros: [2, 2], .float32)
    for factor in [1, 10] as [Float] {
      let tape = Tape()
      let table = tape.watch(Tensor(zeros: [2, 2], .float32), addingTo: gradient)
      let output = Operations(kernels, tape: tape).embedding(ids, table)
      tape.backward(from: output, seed: Tensor([1, 2, 3, 4].map { $0 * factor }, [2, 2]), kernels)
    }
    #expect(gradient.floats == [11, 22, 33, 44])
  }

  @Test func aBFloat16ValueHasABFloat16Gradient() {
    let x = randomTensor([2, 8], .bfloat16, seed: 1)
    let result = differentiated([x, randomTensor([8], .bfloat16, seed: 2)], dY: x) {
      $0.rmsNorm($1[0], $1[1], epsilon: 1e-6)
    }
    #expect(result.gradients.map(\.dtype) == [.bfloat16, .bfloat16])
  }

  @Test func withoutATapeNothingIsRecorded() {
    let watched = Tape().watch(randomTensor([2, 2], seed: 1))
    #expect(Operations(kernels).geglu(watched, watched).node == nil)
  }

  @Test func constantsAreNotRecorded() {
    let x = randomTensor([2, 2], seed: 1)
    #expect(Operations(kernels, tape: Tape()).geglu(x, x).node == nil)
  }

  @Test func whatDoesNotReachTheOutputHasNoGradient() {
    let tape = Tape()
    let operations = Operations(kernels, tape: tape)
    let used = tape.watch(randomTensor([3], seed: 1))
    let unused = tape.watch(randomTensor([3], seed: 2))
    let output = operations.geglu(used, used)
    _ = operations.geglu(unused, unused)
    tape.backward(from: output, seed: Tensor([1, 1, 1], [3]), kernels)
    #expect(used.node?.gradient != nil)
    #expect(unused.node?.gradient == nil)
  }

  /// Gradients of intermediate values, and what their closures kept, are released while the tape runs.
  @Test func gradientsOfIntermediateValuesAreLetGo() {
    let tape = Tape()
    let operations = Operations(kernels, tape: tape)
    let x = tape.watch(randomTensor([3], seed: 1))
    let middle = operations.geglu(x, x)
    let output = operations.geglu(middle, middle)
    weak let kept = middle.storage
    #expect(kept != nil)
    tape.backward(from: output, seed: Tensor([1, 1, 1], [3]), kernels)
    #expect(middle.node?.gradient == nil)
    #expect(output.node?.gradient == nil)
  }

  /// The backward pass of a sum, a rotation and picked rows needs no input, so the tape does not keep the
  /// inputs.
  @Test func inputsThatBackwardDoesNotNeedAreLetGo() {
    let tape = Tape()
    let operations = Operations(kernels, tape: tape)
    let table = RotaryTable(headDim: 4, theta: 100, linearScale: 1)
    let uses: [(Tensor) -> Tensor] = [
      { operations.add($0, $0) }, { operations.rotary($0, positions: Tensor([0, 1]), table) },
      { operations.gather($0, rows: Tensor([1])) },
    ]
    for (index, use) in uses.enumerated() {
      func used() -> (output: Tensor, isKept: () -> Bool) {
        let x = tape.watch(randomTensor([2, 4], seed: 1))
        weak let storage = x.storage
        return (use(x), { storage != nil })
      }
      let (output, isKept) = used()
      #expect(output.node != nil && !isKept(), "use \(index)")
    }
  }
}
