import Gemma
import SimulatedGPUTesting
import Tensors
import Testing
import FineTuning

/// A model that computes NaN or infinity gives no answer. Decoding ends at the token and names the part.
@Suite(.serialized) struct NonFiniteDecodingTests {
  // The suite is serialized: its tests run one after another.
  nonisolated(unsafe) private static let shared = Result { try SimulatedKernels() }

  /// A tiny model with writable float32 weights.
  private func writable(_ family: String) throws -> GemmaModel {
    var model = try GemmaModel(contentsOf: "\(fixtures)/\(family)", precision: .float32)
    model.copyWeights(CPUKernels(threads: 1))
    return model
  }

  private func fill(_ tensor: Tensor, _ value: Float) {
    for i in 0..<tensor.count { tensor.float32[i] = value }
  }

  /// The errors of decoding two prompts, on the CPU and on the simulated GPU.
  private func thrown(_ model: GemmaModel, _ prompts: [[Int32]], rows: Int = 2) throws -> [NonFiniteOutput?] {
    let gpu = try Self.shared.get().onThisThread().kernels
    var placed = model
    placed.placeWeights(gpu)
    return [(model, CPUKernels(threads: 2)), (placed, gpu)].map { (model: GemmaModel, kernels: any Kernels) in
      let decoder = GreedyDecoder(
        model, kernels, maxNewTokens: 12, stopIds: [], limits: DecodingLimits(rows: rows, tokensPerPass: 4))
      do throws(NonFiniteOutput) {
        _ = try decoder.generate(prompts)
        return nil
      } catch { return error }
    }
  }

  private let prompts: [[Int32]] = [[2, 9, 17, 33, 5, 6, 7], [2, 11]]

  @Test(arguments: families) func layerThatOverflowsIsNamedAtTheFirstToken(family: String) throws {
    let model = try writable(family)
    fill(model.layers[1].mlp.gateProj.weight, 3e38)
    let expected = NonFiniteOutput(prompt: 0, token: 1, part: .layer(1))
    // One slot at a time. Side by side, the shorter prompt's first token comes first.
    #expect(try thrown(model, prompts, rows: 1) == [expected, expected])
  }

  @Test(arguments: families) func embeddingThatIsNotFiniteIsNamed(family: String) throws {
    let model = try writable(family)
    model.embedding.float32[11 * model.configuration.hiddenSize + 3] = .infinity
    let expected = NonFiniteOutput(prompt: 0, token: 1, part: .outputMap)
    // The first prompt has no such token, so only the logit of that token is not finite.
    #expect(try thrown(model, prompts, rows: 1) == [expected, expected])
    let itself = NonFiniteOutput(prompt: 0, token: 1, part: .embedding)
    #expect(try thrown(model, [prompts[1]]) == [itself, itself])
  }

  /// Element 0 of the residual stream comes from the embedding, and is 0 except for one token. The model
  /// itself answers with that token; once it reads it, the gates of layer 1 overflow.
  @Test(arguments: families) func tokenOfTheAnswerThatOverflowsIsNamed(family: String) throws {
    let model = try writable(family)
    let width = model.configuration.hiddenSize
    for id in 0..<model.configuration.vocabSize { model.embedding.float32[id * width] = 0 }
    for layer in model.layers {
      for weight in [layer.attention.oProj.weight, layer.mlp.downProj.weight] {
        for k in 0..<weight.shape[1] { weight.float32[k] = 0 }
      }
    }
    let decoder = GreedyDecoder(model, CPUKernels(threads: 2), maxNewTokens: 11, stopIds: [])
    let answer = try decoder.generate([prompts[0]])[0].tokens
    let place = try #require(
      answer.indices.first { !prompts[0].contains(answer[$0]) && !answer[..<$0].contains(answer[$0]) })
    model.embedding.float32[Int(answer[place]) * width] = 8
    let gate = model.layers[1].mlp.gateProj.weight
    for row in 0..<gate.shape[0] { gate.float32[row * width] = 3e38 }
    let expected = NonFiniteOutput(prompt: 0, token: place + 2, part: .layer(1))
    #expect(try thrown(model, [prompts[0]]) == [expected, expected])
  }
}
