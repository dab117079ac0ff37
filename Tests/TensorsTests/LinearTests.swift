import Tensors
import Testing

@Suite struct LinearTests {
  @Test func linearAndItsGradientsMatchPyTorch() throws {
    let fixture = try OperationFixture("linear")
    let inputs = [try fixture.tensor("x"), try fixture.tensor("weight")]
    let result = differentiated(inputs, dY: try fixture.tensor("dY")) { $0.linear($1[0], $1[1]) }
    #expect(largestError(result.output, try fixture.tensor("y")) < float32Tolerance)
    #expect(largestError(result.gradients[0], try fixture.tensor("dX")) < float32Tolerance)
    #expect(largestError(result.gradients[1], try fixture.tensor("dWeight")) < float32Tolerance)
  }

  @Test func gradientsOfLinearMatchFiniteDifferences() {
    for (rows, inner, columns) in [(1, 1, 1), (5, 7, 3), (67, 4, 11)] {
      let inputs = [randomTensor([rows, inner], seed: 1), randomTensor([columns, inner], seed: 2)]
      let errors = gradientErrors(of: inputs) { $0.linear($1[0], $1[1]) }
      // Linear in each input: float32 rounding of at most 737 terms over a step of 0.02.
      #expect(errors.allSatisfy { $0 < 5e-5 }, "\(rows) \(inner) \(columns): \(errors)")
    }
  }

  @Test(arguments: [0, 0.4] as [Float]) func gradientsOfAnAdaptedMapMatchFiniteDifferences(dropout: Float) {
    for (rows, inner, rank, columns) in [(1, 1, 1, 1), (5, 7, 2, 3), (18, 5, 3, 11)] {
      let inputs = [
        randomTensor([rows, inner], seed: 1), randomTensor([columns, inner], seed: 2),
        randomTensor([rank, inner], seed: 3), randomTensor([columns, rank], seed: 4),
      ]
      let errors = gradientErrors(of: inputs) { operations, x in
        let term = LowRankTerm(
          a: x[2], b: x[3], scale: 1.5, dropout: dropout, dropoutKey: RandomKey(seed: 3, stream: 1))
        return operations.linear(x[0], x[1], adapter: term)
      }
      // Linear in each input, with the bound of the map alone.
      #expect(errors.allSatisfy { $0 < 5e-5 }, "\(rows) \(inner) \(columns): \(errors)")
    }
  }

  /// Forward: the map, rounded, then the adapter's share. Backward: the adapter's share of dX, then the
  /// map's.
  @Test(arguments: [0, 0.4] as [Float], [DType.float32, .bfloat16])
  func adaptedMapHasTheBitsOfItsParts(dropout: Float, dtype: DType) {
    let kernels = CPUKernels(threads: 2)
    let (x, weight) = (randomTensor([21, 40], dtype, seed: 1), randomTensor([30, 40], dtype, seed: 2))
    let (a, b) = (randomTensor([4, 40], seed: 3), randomTensor([30, 4], seed: 4))
    let (dY, key) = (randomTensor([21, 30], dtype, seed: 5), RandomKey(seed: 3, stream: 1))
    let result = differentiated([x, weight], dY: dY, threads: 2) { operations, inputs in
      let term = LowRankTerm(a: a, b: b, scale: 2, dropout: dropout, dropoutKey: key)
      return operations.linear(inputs[0], inputs[1], adapter: term)
    }
    func product(_ left: Operand, _ right: Operand, _ dtype: DType, scale: Float = 1) -> Tensor {
      let c = Tensor(uninitialized: [left.rowCount, right.columnCount], dtype)
      kernels.multiply(left, right, scale: scale, .replacing, c)
      return c
    }
    let input = dropout == 0 ? x : kernels.dropped(x, probability: dropout, key: key)
    let y = product(.stored(x), .transposed(weight), dtype)
    let inner = product(.stored(input), .transposed(a), .float32)
    kernels.multiply(.stored(inner), .transposed(b), scale: 2, .adding, y)
    #expect(bits(result.output) == bits(y))

    let dInner = product(.stored(dY), .stored(b), .float32, scale: 2)
    let dInput = product(.stored(dInner), .stored(a), dtype)
    let share = dropout == 0 ? dInput : kernels.dropped(dInput, probability: dropout, key: key)
    let dX = kernels.add(share, product(.stored(dY), .stored(weight), dtype))
    #expect(bits(result.gradients[0]) == bits(dX))
  }

  @Test func gradientOfTheWeightAddsToItsAccumulator() {
    let kernels = CPUKernels(threads: 1)
    let (x, weight) = (randomTensor([40, 5], seed: 1), randomTensor([3, 5], seed: 2))
    let gradient = Tensor(zeros: [3, 5], .float32)
    let seed = randomTensor([40, 3], seed: 3)
    for _ in 0..<2 {
      let tape = Tape()
      let y = Operations(kernels, tape: tape).linear(x, tape.watch(weight, addingTo: gradient))
      tape.backward(from: y, seed: seed, kernels)
    }
    let once = Tensor(zeros: [3, 5], .float32)
    kernels.multiply(.transposed(seed), .stored(x), scale: 2, .replacing, once)
    // One addition more than the product: one unit in the last place of its size, about 10.
    #expect(zip(gradient.floats, once.floats).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test func firstShareReplacesWhatIsThereAndTheNextIsAdded() {
    let kernels = CPUKernels(threads: 1)
    let (x, weight) = (randomTensor([40, 5], seed: 1), randomTensor([3, 5], seed: 2))
    let seed = randomTensor([40, 3], seed: 3)
    func share(_ gradient: Tensor, _ first: Store) {
      let tape = Tape()
      let y = Operations(kernels, tape: tape).linear(x, tape.watch(weight, gradient: gradient, first: first))
      tape.backward(from: y, seed: seed, kernels)
    }
    let gradient = Tensor([Float](repeating: .nan, count: 15), [3, 5])
    let product = Tensor(zeros: [3, 5], .float32)
    share(gradient, .replacing)
    kernels.multiply(.transposed(seed), .stored(x), scale: 1, .replacing, product)
    #expect(bits(gradient) == bits(product))
    share(gradient, .adding)
    #expect(zip(gradient.floats, product.floats).allSatisfy { abs($0 - 2 * $1) < 1e-5 })
  }

  /// Also through a layer that is computed again.
  @Test(arguments: [false, true]) func bfloat16GradientIsTheFloat32OneRoundedOnce(checkpointing: Bool) {
    let kernels = CPUKernels(threads: 2)
    let x = randomTensor([70, 40], .bfloat16, seed: 1)
    let weight = randomTensor([30, 40], .bfloat16, seed: 2)
    let seed = randomTensor([70, 30], .bfloat16, seed: 3)
    func gradient(_ dtype: DType) -> Tensor {
      let gradient = Tensor(uninitialized: [30, 40], dtype)
      let tape = Tape()
      let operations = Operations(kernels, tape: tape)
      let watched = tape.watch(weight, gradient: gradient, first: .replacing)
      let y =
        checkpointing
        ? operations.checkpoint(x) { $0.linear($1, watched) } : operations.linear(x, watched)
      tape.backward(from: y, seed: seed, kernels)
      return gradient
    }
    #expect(bits(gradient(.bfloat16)) == bits(bfloat16(gradient(.float32))))
  }

  @Test func frozenWeightGetsNoGradient() {
    let kernels = CPUKernels(threads: 1)
    let tape = Tape()
    let (x, weight) = (tape.watch(randomTensor([4, 5], seed: 1)), randomTensor([3, 5], seed: 2))
    let y = Operations(kernels, tape: tape).linear(x, weight)
    tape.backward(from: y, seed: randomTensor([4, 3], seed: 3), kernels)
    #expect(x.node?.gradient != nil)
    #expect(weight.node == nil)
  }

  @Test func adaptersSumIsRoundedOnceToTheMapsType() {
    let x = randomTensor([21, 40], .bfloat16, seed: 1)
    let weight = randomTensor([30, 40], .bfloat16, seed: 2)
    let term = LowRankTerm(a: randomTensor([4, 40], seed: 3), b: randomTensor([30, 4], seed: 4), scale: 2)
    let operations = Operations(CPUKernels(threads: 2))
    let base = operations.linear(x, weight)
    let wide = Tensor(x.floats, x.shape)
    let share = operations.linear(wide, Tensor(zeros: weight.shape, .float32), adapter: term)
    let rounded = operations.linear(x, weight, adapter: term)
    #expect(rounded.dtype == .bfloat16)
    for (actual, (base, share)) in zip(rounded.floats, zip(base.floats, share.floats)) {
      // Half a unit of bfloat16 is at most 2^-8 of the value. Float32 sums in another order may tip a tie.
      #expect(abs(actual - (base + share)) <= abs(base + share) * 0x1p-8 + 1e-5)
    }
  }

  @Test func activationGradientHasTheActivationsType() {
    let kernels = CPUKernels(threads: 1)
    let tape = Tape()
    let x = tape.watch(randomTensor([20, 6], .bfloat16, seed: 1))
    let gradient = Tensor(zeros: [3, 6], .float32)
    let weight = tape.watch(randomTensor([3, 6], .bfloat16, seed: 2), addingTo: gradient)
    let y = Operations(kernels, tape: tape).linear(x, weight)
    tape.backward(from: y, seed: randomTensor([20, 3], .bfloat16, seed: 3), kernels)
    #expect(y.dtype == .bfloat16)
    #expect(x.node?.gradient?.dtype == .bfloat16)
    #expect(gradient.floats.contains { $0 != 0 })
  }
}
