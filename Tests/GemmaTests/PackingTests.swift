import Gemma
import Tensors
import Testing

/// How sequences are packed changes neither losses nor gradients.
@Suite struct PackingTests {
  /// 16 sequences of uneven length for the tiny models' vocabulary of 211.
  private let sequences: [[Int32]] = (0..<16).map { sequence in
    let key = RandomKey(seed: 5, stream: UInt64(sequence))
    return [2] + (0..<(3 + sequence * 7 % 11)).map { Int32(3 + key.below(200, at: UInt64($0))) }
  }

  private func batches(of size: Int) -> [TokenBatch] {
    stride(from: 0, to: sequences.count, by: size).map { start in
      var batch = TokenBatch()
      for sequence in sequences[start..<start + size] { batch.append(sequence, promptLength: 2) }
      return batch
    }
  }

  @Test(arguments: families) func packedLossesEqualUnpackedOnes(family: String) throws {
    let model = try ModelFixture(family).model
    let operations = Operations(CPUKernels(threads: 2))
    let packed = model.loss(batches(of: 16)[0], operations).losses.floats
    let unpacked = batches(of: 1).flatMap { model.loss($0, operations).losses.floats }
    #expect(packed.count == unpacked.count)
    // Matrix products with another number of rows may sum in another order: float32 rounding.
    #expect(relativeError(packed, unpacked) < 1e-5)
  }

  @Test(arguments: families) func accumulationOfPassesEqualsOneBatch(family: String) throws {
    let model = try ModelFixture(family).model
    let whole = gradients(model, .all, batches(of: 16))
    for size in [8, 1] {
      for (one, other) in zip(whole, gradients(model, .all, batches(of: size))) {
        // Sums in another order: up to 1.04e-5 over OpenBLAS's kernels for five processors. The mildest
        // broken rule moves a gradient a hundred times as far (meanOfThePassesMeansIsAnotherGradient).
        #expect(relativeError(other.tensor.floats, one.tensor.floats) < 5e-5, "\(one.name), \(size) a pass")
      }
    }
  }

  /// What a tolerance of 5e-5 would notice: micro-batches of equal weight whatever their targets.
  @Test(arguments: families) func meanOfThePassesMeansIsAnotherGradient(family: String) throws {
    let model = try ModelFixture(family).model
    let whole = gradients(model, .all, batches(of: 16))
    let means = batches(of: 8).map { gradients(model, .all, [$0]) }
    for (index, gradient) in whole.enumerated() {
      let mean = zip(means[0][index].tensor.floats, means[1][index].tensor.floats).map { ($0 + $1) / 2 }
      #expect(relativeError(mean, gradient.tensor.floats) > 5e-3, "\(gradient.name)")
    }
  }

  @Test(arguments: families) func anyNumberOfThreadsGivesTheSameBits(family: String) throws {
    for precision in [DType.float32, .bfloat16] {
      let model = try ModelFixture(family, precision: precision).model
      let one = gradients(model, .all, batches(of: 16), kernels: CPUKernels(threads: 1))
      for threads in [2, 3] {
        let several = gradients(model, .all, batches(of: 16), kernels: CPUKernels(threads: threads))
        #expect(zip(one, several).allSatisfy { $0.tensor.floats == $1.tensor.floats })
      }
    }
  }

  @Test(arguments: families) func checkpointingGivesTheSameBits(family: String) throws {
    let model = try ModelFixture(family, adapter: true).model
    let kept = gradients(model, .adapters, batches(of: 8))
    let recomputed = gradients(model, .adapters, batches(of: 8), checkpointing: true)
    #expect(zip(kept, recomputed).allSatisfy { $0.tensor.floats == $1.tensor.floats })
  }

  @Test func dropoutIsTheSameInBothPassesOfACheckpoint() throws {
    let folder = "\(fixtures)/gemma3"
    var model = try GemmaModel(contentsOf: folder, precision: .float32)
    var adapter = try AdapterWeights(contentsOf: "\(folder)/lora", for: model.configuration)
    adapter.dropout = 0.3
    model.attach(adapter)
    let key = RandomKey(seed: 1, stream: 2)
    let kept = gradients(model, .adapters, batches(of: 16), dropout: key)
    let recomputed = gradients(model, .adapters, batches(of: 16), checkpointing: true, dropout: key)
    #expect(zip(kept, recomputed).allSatisfy { $0.tensor.floats == $1.tensor.floats })
    let other = gradients(model, .adapters, batches(of: 16), dropout: key.derived(1))
    #expect(zip(kept, other).contains { $0.tensor.floats != $1.tensor.floats })
  }

  @Test(arguments: families) func batchedDecodingEqualsOneByOne(family: String) throws {
    let model = try ModelFixture(family).model
    let decoder = GreedyDecoder(model, CPUKernels(threads: 2), maxNewTokens: 9, stopIds: [])
    let prompts = Array(sequences.prefix(5))
    #expect(try decoder.generate(prompts) == prompts.flatMap { try decoder.generate([$0]) })
  }

  @Test func decodingStopsAtAStopTokenAndLeavesItOut() throws {
    let model = try ModelFixture("gemma3").model
    let kernels = CPUKernels(threads: 2)
    let free = try GreedyDecoder(model, kernels, maxNewTokens: 9, stopIds: []).generate([sequences[0]])[0]
    #expect(free.stop == .length && free.tokens.count == 9)
    let stop = free.tokens[4]
    let first = try #require(free.tokens.firstIndex(of: stop))
    let stopping = GreedyDecoder(model, kernels, maxNewTokens: 9, stopIds: [stop])
    let stopped = try stopping.generate([sequences[0]])[0]
    #expect(stopped == Generation(tokens: Array(free.tokens[..<first]), stop: .token(stop)))
  }

  @Test func decodingAsksTheCallerAfterEachToken() throws {
    let model = try ModelFixture("gemma3").model
    let decoder = GreedyDecoder(
      model, CPUKernels(threads: 2), maxNewTokens: 9, stopIds: [], isFinished: { $0.count == 3 })
    let generation = try decoder.generate([sequences[0]])[0]
    #expect(generation.tokens.count == 3 && generation.stop == .text)
  }

  @Test func targetsBeginAfterThePromptAndNeverAtTheFirstToken() {
    var batch = TokenBatch()
    batch.append([2, 7, 8, 1], promptLength: 2)
    batch.append([2, 9], promptLength: 0)
    batch.append([2], promptLength: 1)
    #expect(batch.targetRows == [1, 2, 4] && batch.targets == [8, 1, 9])
    #expect(batch.positions == [0, 1, 2, 3, 0, 1, 0] && batch.offsets == [0, 4, 6, 7])
  }
}
