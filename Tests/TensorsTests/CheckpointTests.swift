import Tensors
import Testing

struct CheckpointTests {
  private let kernels = CPUKernels(threads: 2)

  /// Norm, dropout and GeGLU with one weight. The test uses that weight again around this block.
  private func block(_ operations: Operations, _ x: Tensor, _ weight: Tensor) -> Tensor {
    let normed = operations.rmsNorm(x, weight, epsilon: 1e-6)
    let dropped = operations.dropout(normed, probability: 0.3, key: RandomKey(seed: 4, stream: 2))
    return operations.geglu(dropped, x)
  }

  /// Bits of the output, of x's gradient and of the weight's, over two micro-batches.
  private func run(_ dtype: DType, watchesX: Bool = true, _ body: (Operations, Tensor, Tensor) -> Tensor)
    -> [[UInt8]]
  {
    let x = randomTensor([7, 24], dtype, seed: 1)
    let gradient = Tensor(zeros: [24], .float32)
    var results: [[UInt8]] = []
    for pass in 0..<2 {
      let tape = Tape()
      let input = watchesX ? tape.watch(x) : x
      let weight = tape.watch(randomTensor([24], dtype, seed: 2), addingTo: gradient)
      let output = body(Operations(kernels, tape: tape), input, weight)
      tape.backward(from: output, seed: randomTensor([7, 24], dtype, seed: UInt64(3 + pass)), kernels)
      results += [bits(output), input.node?.gradient.map(bits) ?? []]
    }
    return results + [bits(gradient)]
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func aCheckpointedBlockHasTheSameGradients(dtype: DType) {
    let plain = run(dtype) { block($0, $1, $2) }
    let checkpointed = run(dtype) { operations, x, weight in
      operations.checkpoint(x) { block($0, $1, weight) }
    }
    #expect(checkpointed == plain)
  }

  @Test func aParameterUsedInsideAndOutsideSumsBoth() {
    let plain = run(.float32) { operations, x, weight in
      let inner = block(operations, operations.rmsNorm(x, weight, epsilon: 1e-6), weight)
      return operations.rmsNorm(inner, weight, epsilon: 1e-6)
    }
    let checkpointed = run(.float32) { operations, x, weight in
      let before = operations.rmsNorm(x, weight, epsilon: 1e-6)
      let inner = operations.checkpoint(before) { block($0, $1, weight) }
      return operations.rmsNorm(inner, weight, epsilon: 1e-6)
    }
    #expect(checkpointed == plain)
  }

  @Test func aBlockOfAConstantStillGivesItsParametersGradients() {
    let plain = run(.float32, watchesX: false) { block($0, $1, $2) }
    let checkpointed = run(.float32, watchesX: false) { operations, x, weight in
      operations.checkpoint(x) { block($0, $1, weight) }
    }
    #expect(checkpointed == plain)
    #expect(plain.last?.contains { $0 != 0 } == true)
  }

  @Test func withoutATapeABlockIsComputedOnce() {
    var calls = 0
    let x = randomTensor([3], seed: 1)
    let output = Operations(kernels).checkpoint(x) { operations, x in
      calls += 1
      return operations.geglu(x, x)
    }
    #expect(calls == 1)
    #expect(output.node == nil)
  }
}
