import Files
import Gemma
import Tensors

/// The training sequences and prompts of the GPU's measurements: GSM8K's lengths, and random tokens. Both
/// programs read them from the same file.
package struct Workload: Equatable, Sendable {
  /// Content of the model's config.json.
  package var configuration: JSONValue
  /// Lengths of the training sequences.
  package var sequences: [Sequence]
  /// Tokens of each prompt, and of each answer.
  package var prompts: [Int], newTokens: Int
  /// Sequences of one micro-batch, and micro-batches of one optimizer step.
  package var batchSize: Int, passes: Int

  /// The lengths of one training sequence.
  package struct Sequence: Equatable, Sendable {
    /// Tokens of prompt and answer together, and of the prompt.
    package var tokens: Int, promptTokens: Int
  }

  /// The study's workload: 1,000 sequences in steps of 8 x 2, and 100 answers as long as the longest of 100.
  package static func study(_ configuration: JSONValue) -> Workload {
    Workload(
      configuration: configuration, sequences: sequences(1000), prompts: shuffled(promptLengths, 100),
      newTokens: 313, batchSize: 8, passes: 2)
  }

  /// A few short sequences, which show that everything runs.
  package static func quick(_ configuration: JSONValue) -> Workload {
    Workload(
      configuration: configuration,
      sequences: (0..<12).map { Sequence(tokens: 7 + 5 * $0 % 11, promptTokens: 3) }, prompts: [5, 9, 3],
      newTokens: 3, batchSize: 2, passes: 2)
  }

  /// Lengths of training examples in a fixed random order. The prompt's share of each is the average one.
  private static func sequences(_ count: Int) -> [Sequence] {
    shuffled(exampleLengths, count).map { Sequence(tokens: $0, promptTokens: max(1, $0 * 67 / 190)) }
  }

  private static func shuffled(_ quantiles: Quantiles, _ count: Int) -> [Int] {
    let key = RandomKey(seed: 7, stream: UInt64(count))
    return quantiles.values(count).enumerated()
      .sorted { key.bits(at: UInt64($0.offset)) < key.bits(at: UInt64($1.offset)) }.map(\.element)
  }

  /// Token ids of a sequence, none of which ends an answer.
  func ids(_ count: Int, stream: UInt64, vocabulary: Int) -> [Int32] {
    let key = RandomKey(seed: 11, stream: stream)
    return (0..<count).map { 3 + Int32(key.bits(at: UInt64($0)) % UInt64(vocabulary - 3)) }
  }

  /// The micro-batches of each optimizer step: those configured, or all sequences of a step as one.
  func steps(vocabulary: Int, merged: Bool) -> [[TokenBatch]] {
    let all = sequences.enumerated().map { index, sequence in
      (ids(sequence.tokens, stream: UInt64(index), vocabulary: vocabulary), sequence.promptTokens)
    }
    let size = merged ? batchSize * passes : batchSize
    return stride(from: 0, to: all.count - batchSize * passes + 1, by: batchSize * passes).map { first in
      stride(from: first, to: first + batchSize * passes, by: size).map { start in
        var batch = TokenBatch()
        for (ids, promptTokens) in all[start..<start + size] {
          batch.append(ids, promptLength: promptTokens)
        }
        return batch
      }
    }
  }
}

/// Lengths of GSM8K's training examples with a plain prompt, in Gemma's tokens: 190 on average. 16 of them
/// have 3,050 ± 270.
private let exampleLengths = Quantiles(points: [
  (0, 75), (0.05, 109), (0.25, 143), (0.5, 177), (0.75, 220), (0.9, 278), (0.95, 321), (0.99, 399),
  (0.999, 470), (1, 545),
])

/// Lengths of GSM8K's questions in that prompt: 67 on average.
private let promptLengths = Quantiles(points: [
  (0, 25), (0.05, 38), (0.25, 51), (0.5, 63), (0.75, 78), (0.95, 108), (0.99, 135), (1, 221),
])

extension Workload {
  /// The content of the file that both programs read.
  package var json: JSONValue {
    .object([
      "configuration": configuration,
      "sequences": .array(sequences.map { .array([.int($0.tokens), .int($0.promptTokens)]) }),
      "prompts": .array(prompts.map { .int($0) }), "new_tokens": .int(newTokens),
      "batch_size": .int(batchSize), "passes": .int(passes),
    ])
  }

  /// Reads the file that holds `json`.
  /// - Throws: `Fault`.
  package init(contentsOf file: String) throws {
    let object = try JSONValue(parsing: readFile(file, limit: 1 << 24), file: file).objectValue
    func integer(_ key: String) -> Int? { object?[key]?.intValue }
    let pairs = (object?["sequences"]?.arrayValue ?? []).map { ($0.arrayValue ?? []).compactMap(\.intValue) }
    guard let configuration = object?["configuration"], pairs.allSatisfy({ $0.count == 2 }),
      let newTokens = integer("new_tokens"), let batchSize = integer("batch_size"),
      let passes = integer("passes"), let prompts = object?["prompts"]?.arrayValue
    else { throw Fault(.badData, file: file, "no workload; gemmabench gpu writes it") }
    self.init(
      configuration: configuration, sequences: pairs.map { Sequence(tokens: $0[0], promptTokens: $0[1]) },
      prompts: prompts.compactMap(\.intValue), newTokens: newTokens, batchSize: batchSize, passes: passes)
  }
}
