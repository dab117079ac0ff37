import ArgumentParser
import Files
import Gemma
import Tensors

/// `gemmabench random-model`: a model folder of a known shape with random weights. For measuring size, not
/// quality.
struct RandomModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "random-model",
    abstract: "Write a model folder of a known shape with random bf16 weights.")

  @Option(help: "The model whose shape is taken: gemma-2b.")
  var like = ModelShape.gemma2B

  @Option(
    help: "A model folder whose tokenizer.model is copied; at most as many pieces as the shape has rows.")
  var tokenizer = "configs/tiny/model"

  @Argument(help: "The folder to make.", completion: .directory)
  var output: String

  func run() throws {
    try WholeFolder.make(output) { folder in
      // The writer takes configuration and tokenizer from a base folder, which is made at the model's place.
      try writeAtomically(like.configuration.text(indent: 2) + "\n", to: "\(folder)/config.json")
      try writeAtomically(
        readFile("\(tokenizer)/tokenizer.model", limit: 64 << 20), to: "\(folder)/tokenizer.model")
      let sizes = try ModelConfiguration(contentsOf: "\(folder)/config.json")
      _ = try Tokenizer(contentsOf: "\(folder)/tokenizer.model", embeddingRows: sizes.vocabSize)
      try CheckpointFiles.writeContents(randomWeights(sizes), base: folder, into: folder)
    }
  }
}

extension ModelShape: ExpressibleByArgument {}

/// Shapes of published models that can be made with random weights.
package enum ModelShape: String, CaseIterable, Sendable {
  /// 2,506,172,416 parameters, 5 GB.
  case gemma2B = "gemma-2b"

  /// The content of config.json.
  /// Source: google/gemma-2b's file, with the sizes of table 1 of the Gemma technical report.
  package var configuration: JSONValue {
    .object([
      "architectures": .array([.string("GemmaForCausalLM")]), "model_type": .string("gemma"),
      "vocab_size": .int(256_000), "hidden_size": .int(2048), "intermediate_size": .int(16384),
      "num_hidden_layers": .int(18), "num_attention_heads": .int(8), "num_key_value_heads": .int(1),
      "head_dim": .int(256), "max_position_embeddings": .int(8192), "rope_theta": .double(10000),
      "rms_norm_eps": .double(1e-6), "hidden_activation": .string("gelu_pytorch_tanh"),
      "attention_bias": .bool(false), "bos_token_id": .int(2), "eos_token_id": .int(1),
      "pad_token_id": .int(0),
      "tie_word_embeddings": .bool(true), "torch_dtype": .string("bfloat16"),
    ])
  }
}

/// The weights of a configuration, in order. Norms are zero; all other weights are uniform with the standard
/// deviation of initial weights.
func randomWeights(_ sizes: ModelConfiguration) -> [(name: String, tensor: Tensor)] {
  let bound = Float(3).squareRoot() * Float(sizes.initializerRange)
  return WeightNames.all(in: sizes).enumerated().map { index, weight in
    if weight.role == .norm { return (weight.name, Tensor(zeros: weight.shape, .bfloat16)) }
    let key = RandomKey(seed: 2, stream: UInt64(index))
    let tensor = Tensor(uninitialized: weight.shape, .bfloat16)
    let elements = tensor.bfloat16
    // Each draw gives four elements of 16 bits, since billions are wanted.
    for first in stride(from: 0, to: tensor.count, by: 4) {
      var bits = key.bits(at: UInt64(first))
      for element in first..<min(first + 4, tensor.count) {
        elements[element] = roundedToBFloat16((Float(bits & 0xFFFF) * 0x1p-15 - 1) * bound)
        bits >>= 16
      }
    }
    return (weight.name, tensor)
  }
}
