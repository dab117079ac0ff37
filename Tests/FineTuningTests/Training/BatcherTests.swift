import Tensors
import Testing
import FineTuning

@Suite struct BatcherTests {
  private func batcher(_ examples: Int, _ perDevice: Int, _ accumulation: Int, seed: UInt64? = nil) -> Batcher
  {
    Batcher(
      exampleCount: examples, perDeviceBatchSize: perDevice, gradientAccumulationSteps: accumulation,
      shuffle: seed.map { RandomKey(seed: $0, stream: 1) })
  }

  @Test func fileOrderIsKeptWithoutAKey() {
    #expect(batcher(5, 2, 2).steps(epoch: 0) == [[[0, 1], [2, 3]], [[4]]])
    #expect(batcher(5, 2, 2).steps(epoch: 1) == [[[0, 1], [2, 3]], [[4]]])
  }

  @Test(arguments: [
    (7473, 8, 2, 468), (7473, 16, 1, 468), (7473, 1, 16, 468), (1, 8, 2, 1), (17, 4, 2, 3), (16, 4, 2, 2),
  ])
  func stepsAreTheCeilingOfPassesByAccumulation(
    _ examples: Int, _ perDevice: Int, _ accumulation: Int, _ steps: Int
  ) {
    let batcher = batcher(examples, perDevice, accumulation)
    #expect(batcher.stepsPerEpoch == steps)
    #expect(batcher.steps(epoch: 0).count == steps)
  }

  @Test func everyExampleComesOnceAnEpoch() {
    for epoch in 0..<5 {
      #expect(batcher(37, 4, 3, seed: 9).steps(epoch: epoch).joined().joined().sorted() == Array(0..<37))
    }
  }

  @Test func orderIsAFunctionOfSeedAndEpoch() {
    #expect(batcher(50, 1, 1, seed: 1).order(epoch: 0) == batcher(50, 4, 2, seed: 1).order(epoch: 0))
    #expect(batcher(50, 1, 1, seed: 1).order(epoch: 0) != batcher(50, 1, 1, seed: 1).order(epoch: 1))
    #expect(batcher(50, 1, 1, seed: 1).order(epoch: 0) != batcher(50, 1, 1, seed: 2).order(epoch: 0))
  }

  @Test func everyPlaceIsEquallyLikely() {
    // 3,000 orders of 4. Each example comes first in a quarter of them: 750 ± 24 (one deviation); the bound
    // is four.
    var first = [0, 0, 0, 0]
    for epoch in 0..<3000 { first[batcher(4, 1, 1, seed: 3).order(epoch: epoch)[0]] += 1 }
    #expect(first.allSatisfy { (655...845).contains($0) })
  }
}
